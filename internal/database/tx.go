package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
)

// Tx is a transaction, or a part of one, for as long as the function that got
// it runs. It belongs to one goroutine. Queries are prepared once per
// connection, so they should be constant texts.
type Tx struct {
	conn  *conn
	ctx   context.Context
	wrote bool
	fatal error // an error after which the transaction is lost
}

// Exec runs a statement and gives the number of rows it changed. Arguments are
// integers, strings, []byte, bool, float64 or nil.
func (tx *Tx) Exec(query string, args ...any) (int64, error) {
	s, err := tx.conn.prepare(query)
	if err != nil {
		return 0, tx.failed(query, err)
	}
	bound, err := tx.conn.bind(args)
	if err != nil {
		return 0, tx.failed(query, err)
	}
	result, err := s.(driver.StmtExecContext).ExecContext(tx.ctx, bound)
	if err != nil {
		return 0, tx.failed(query, err)
	}
	tx.wrote = true
	return result.RowsAffected()
}

// Query runs a query. Close the rows before the same query is run again. A
// query that also changes something (RETURNING) must be read to its end.
func (tx *Tx) Query(query string, args ...any) (*Rows, error) {
	s, err := tx.conn.prepare(query)
	if err != nil {
		return nil, tx.failed(query, err)
	}
	bound, err := tx.conn.bind(args)
	if err != nil {
		return nil, tx.failed(query, err)
	}
	rows, err := s.(driver.StmtQueryContext).QueryContext(tx.ctx, bound)
	if err != nil {
		return nil, tx.failed(query, err)
	}
	return &Rows{tx: tx, query: query, rows: rows, values: make([]driver.Value, len(rows.Columns()))}, nil
}

// QueryRow runs a query of which the first row counts.
func (tx *Tx) QueryRow(query string, args ...any) *Row {
	rows, err := tx.Query(query, args...)
	return &Row{rows: rows, err: err}
}

// Changed marks the transaction as one that has written, for a query with
// RETURNING.
func (tx *Tx) Changed() { tx.wrote = true }

func (tx *Tx) failed(query string, err error) error {
	if broken(err) {
		tx.fatal = err
	}
	if len(query) > 60 {
		query = query[:60] + "..."
	}
	return fmt.Errorf("%s: %w", query, err)
}

// Rows are the rows of a query.
type Rows struct {
	tx     *Tx
	query  string
	rows   driver.Rows
	values []driver.Value
	err    error
	closed bool
}

// Next goes to the next row; false at the end or on an error, see Err. The
// rows are closed then.
func (r *Rows) Next() bool {
	if r.closed {
		return false
	}
	if err := r.rows.Next(r.values); err != nil {
		if err != io.EOF {
			r.err = r.tx.failed(r.query, err)
		}
		r.Close()
		return false
	}
	return true
}

// Scan copies the row to *int, *int64, *uint8, *bool, *string, *[]byte or
// *any; NULL becomes the zero value.
func (r *Rows) Scan(dest ...any) error {
	if len(dest) != len(r.values) {
		return fmt.Errorf("%s: %d columns for %d destinations", r.query, len(r.values), len(dest))
	}
	for i, d := range dest {
		if err := assign(d, r.values[i]); err != nil {
			return fmt.Errorf("%s: column %d: %w", r.query, i+1, err)
		}
	}
	return nil
}

// Err is the error that ended Next, if any.
func (r *Rows) Err() error { return r.err }

// Close ends the query. It may be called more than once.
func (r *Rows) Close() {
	if r.closed {
		return
	}
	r.closed = true
	if err := r.rows.Close(); err != nil && r.err == nil {
		r.err = r.tx.failed(r.query, err)
	}
}

// Row is the first row of a query.
type Row struct {
	rows *Rows
	err  error
}

// Scan copies the row as Rows.Scan does; sql.ErrNoRows if there is none.
func (r *Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if r.rows.err != nil {
			return r.rows.err
		}
		return sql.ErrNoRows
	}
	return r.rows.Scan(dest...)
}
