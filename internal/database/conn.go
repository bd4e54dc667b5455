package database

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"modernc.org/sqlite"
)

// maxStatements bounds the prepared statements that a connection keeps.
const maxStatements = 500

// conn is a connection of the driver with its prepared statements. It is used
// without database/sql, whose pool, locks and conversions cost as much as a
// small statement itself. It belongs to one goroutine at a time.
type conn struct {
	driver     driver.Conn
	statements map[string]driver.Stmt
	args       []driver.NamedValue
	prepared   func(query string)
}

// fileURL is the path as a file: URL, in which ? and # need escaping.
func fileURL(path string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath()
}

// dsn names the database with the settings of each connection. auto_vacuum
// must come before the first table.
func dsn(path string, reader bool) string {
	pragmas := []string{
		"busy_timeout(10000)", "auto_vacuum(incremental)", "journal_mode(wal)", "synchronous(full)",
		"foreign_keys(on)", "temp_store(memory)", "trusted_schema(off)",
		// What is deleted, such as the content of a message, is overwritten.
		"secure_delete(on)",
		// The log is merged into the database every 16 MiB, and cut to 64 MiB
		// if a long read made it grow.
		"wal_autocheckpoint(4096)", "journal_size_limit(67108864)",
	}
	if reader {
		pragmas = append(pragmas, "query_only(on)", "cache_size(-4096)")
	} else {
		pragmas = append(pragmas, "cache_size(-32768)")
	}
	return fileURL(path) + "?_pragma=" + strings.Join(pragmas, "&_pragma=")
}

// open makes a connection and proves its settings.
func open(ctx context.Context, path string, reader bool) (*conn, error) {
	c, err := dial(ctx, dsn(path, reader))
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	if err := c.verify(ctx); err != nil {
		c.close()
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	return c, nil
}

func dial(ctx context.Context, name string) (*conn, error) {
	connector, err := sqlite.NewConnector(name)
	if err != nil {
		return nil, err
	}
	raw, err := connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{driver: raw, statements: make(map[string]driver.Stmt)}, nil
}

// verify reads the settings back on which the promise rests: SQLite ignores a
// pragma that it cannot follow without saying so.
func (c *conn) verify(ctx context.Context) error {
	tx := &Tx{conn: c, ctx: ctx}
	for _, want := range []struct{ pragma, value, why string }{
		{"journal_mode", "wal", "the file system may lack shared memory"},
		{"synchronous", "2", ""},
		{"foreign_keys", "1", ""},
		{"secure_delete", "1", "removed mail would stay in the file"},
	} {
		var got string
		if err := tx.QueryRow("PRAGMA " + want.pragma).Scan(&got); err != nil {
			return err
		}
		if !strings.EqualFold(got, want.value) {
			return fmt.Errorf("%s is %q, must be %q: %s", want.pragma, got, want.value, want.why)
		}
	}
	return nil
}

func (c *conn) close() {
	for _, s := range c.statements {
		s.Close()
	}
	c.statements = nil
	c.driver.Close()
}

// prepare gives the statement of a query, prepared once.
func (c *conn) prepare(query string) (driver.Stmt, error) {
	if s, ok := c.statements[query]; ok {
		return s, nil
	}
	if len(c.statements) >= maxStatements {
		for query, s := range c.statements {
			s.Close()
			delete(c.statements, query)
		}
	}
	s, err := c.driver.Prepare(query)
	if err != nil {
		return nil, err
	}
	c.statements[query] = s
	if c.prepared != nil {
		c.prepared(query)
	}
	return s, nil
}

// bind gives the arguments in the driver's form, in memory that is used again.
func (c *conn) bind(args []any) ([]driver.NamedValue, error) {
	c.args = c.args[:0]
	for i, a := range args {
		v, err := value(a)
		if err != nil {
			return nil, fmt.Errorf("argument %d: %w", i+1, err)
		}
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	return c.args, nil
}

// simple runs a statement without arguments and results.
func (c *conn) simple(query string) error {
	s, err := c.prepare(query)
	if err != nil {
		return err
	}
	_, err = s.(driver.StmtExecContext).ExecContext(context.Background(), nil)
	return err
}

// Codes of SQLite's errors, <https://sqlite.org/rescode.html>.
const (
	codeConstraint = 19
	codeUnique     = 19 | 8<<8
	codePrimaryKey = 19 | 6<<8
	codeRowID      = 19 | 10<<8
)

// IsUnique says whether an error is that of a row that exists already.
func IsUnique(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && (e.Code() == codeUnique || e.Code() == codePrimaryKey || e.Code() == codeRowID)
}

// broken says whether an error is one of the disk, rather than of a statement:
// after it the transaction is lost. A corrupt page concerns those who read it.
func broken(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() & 0xff {
	case 1, 11, codeConstraint, 18, 20, 25: // ERROR, CORRUPT, CONSTRAINT, TOOBIG, MISMATCH, RANGE
		return false
	}
	return true
}
