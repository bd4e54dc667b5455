package registry

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/secret"
)

// canary is sealed at the first start. If it does not open, no secret would.
var canary = struct {
	place secret.Place
	text  []byte
}{secret.Place{Field: "canary"}, []byte("postilion")}

// checkKey opens the canary, or seals it at the first start. It writes nothing
// unless the database holds no canary and no client.
func (r *Registry) checkKey(ctx context.Context) error {
	var sealed []byte
	var clients int
	err := r.options.Database.Read(ctx, func(tx *database.Tx) error {
		if err := tx.QueryRow(`SELECT count(*) FROM clients`).Scan(&clients); err != nil {
			return err
		}
		return tx.QueryRow(`SELECT value FROM registry_meta WHERE name = 'canary'`).Scan(&sealed)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows) && clients > 0:
		return fmt.Errorf("the database has clients but nothing to prove the key with; restore it from a backup")
	case errors.Is(err, sql.ErrNoRows):
		return r.plantCanary(ctx)
	case err != nil:
		return err
	}
	text, err := r.options.Box.Open(sealed, canary.place)
	if err != nil || !bytes.Equal(text, canary.text) {
		return ErrWrongKey
	}
	return nil
}

func (r *Registry) plantCanary(ctx context.Context) error {
	sealed, err := r.options.Box.Seal(canary.text, canary.place)
	if err != nil {
		return err
	}
	return r.options.Database.Write(ctx, func(tx *database.Tx) error {
		_, err := tx.Exec(`INSERT INTO registry_meta (name, value) VALUES ('canary', ?)`, sealed)
		return err
	})
}

// load reads the whole registry.
func (r *Registry) load(ctx context.Context) (*state, error) {
	var s *state
	err := r.options.Database.Read(ctx, func(tx *database.Tx) error {
		s = newState()
		return errors.Join(r.loadClients(tx, s), r.loadConnections(tx, s), r.loadRoutes(tx, s))
	})
	if err != nil {
		return nil, err
	}
	s.index()
	return s, nil
}

func (r *Registry) loadClients(tx *database.Tx, s *state) error {
	return each(tx, `SELECT id, name, document FROM clients`, 3, func(row []string) error {
		c := &clientRecord{}
		if err := json.Unmarshal([]byte(row[2]), c); err != nil {
			if row[1] == AdminName || row[1] == LocalName {
				return fmt.Errorf("the record of client %s is damaged; restore the database from a backup", row[1])
			}
			r.damaged("client", row[0], row[1])
			return nil
		}
		c.ID, c.Name = row[0], row[1]
		s.clients[c.ID] = c
		return nil
	})
}

func (r *Registry) loadConnections(tx *database.Tx, s *state) error {
	return each(tx, `SELECT id, client, name, document FROM connections`, 4, func(row []string) error {
		c := &connectionRecord{}
		owner := s.clients[row[1]]
		if err := json.Unmarshal([]byte(row[3]), c); err != nil || owner == nil {
			r.damaged("connection", row[0], row[2])
			return nil
		}
		c.adopt(row[0], row[1], owner.Name, row[2])
		s.connections[c.ID] = c
		return nil
	})
}

func (r *Registry) loadRoutes(tx *database.Tx, s *state) error {
	return each(tx, `SELECT client, document FROM routes`, 2, func(row []string) error {
		routes := &routeRecord{}
		if err := json.Unmarshal([]byte(row[1]), routes); err != nil || s.clients[row[0]] == nil {
			r.damaged("routes", row[0], "")
			return nil
		}
		s.routes[row[0]] = routes
		return nil
	})
}

// damaged tells of a record that cannot be read. It stays as it is, for a
// person to look at.
func (r *Registry) damaged(what, id, name string) {
	r.options.Log.Error("a damaged record is left aside; configure it again or restore a backup",
		"record", what, "id", id, "name", name)
}

// each reads all rows of a query whose columns are texts.
func each(tx *database.Tx, query string, columns int, take func(row []string) error) error {
	rows, err := tx.Query(query)
	if err != nil {
		return err
	}
	defer rows.Close()
	row := make([]string, columns)
	into := make([]any, columns)
	for i := range row {
		into[i] = &row[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		if err := take(row); err != nil {
			return err
		}
	}
	return rows.Err()
}

// statement is one change of the database.
type statement struct {
	query string
	args  []any
}

const (
	putClient = `INSERT INTO clients (id, name, document) VALUES (?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, document = excluded.document`
	putConnection = `INSERT INTO connections (id, client, name, document) VALUES (?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET document = excluded.document`
	putRoutes = `INSERT INTO routes (client, document) VALUES (?, ?)
		ON CONFLICT (client) DO UPDATE SET document = excluded.document`
)

// persist stores what differs in two states, all of it or nothing.
func (r *Registry) persist(ctx context.Context, before, after *state) error {
	var list []statement
	add := func(query string, args ...any) { list = append(list, statement{query, args}) }
	// Names are unique, so what goes is deleted before what comes is inserted;
	// what refers to clients goes before and comes after them.
	dropped(before.routes, after.routes, func(id string) { add(`DELETE FROM routes WHERE client = ?`, id) })
	dropped(before.connections, after.connections, func(id string) { add(`DELETE FROM connections WHERE id = ?`, id) })
	dropped(before.clients, after.clients, func(id string) {
		// A damaged record of the client is in neither state.
		add(`DELETE FROM connections WHERE client = ?`, id)
		add(`DELETE FROM routes WHERE client = ?`, id)
		add(`DELETE FROM clients WHERE id = ?`, id)
	})
	err := errors.Join(
		added(before.clients, after.clients, func(id, doc string, c *clientRecord) {
			add(putClient, id, c.Name, doc)
		}),
		added(before.connections, after.connections, func(id, doc string, c *connectionRecord) {
			// A damaged record of this name makes room for one that is configured again.
			add(`DELETE FROM connections WHERE client = ? AND name = ? AND id <> ?`, c.Owner, c.Name, id)
			add(putConnection, id, c.Owner, c.Name, doc)
		}),
		added(before.routes, after.routes, func(id, doc string, _ *routeRecord) { add(putRoutes, id, doc) }),
	)
	if err != nil || len(list) == 0 {
		return err
	}
	return r.options.Database.Write(ctx, func(tx *database.Tx) error {
		for _, s := range list {
			if _, err := tx.Exec(s.query, s.args...); err != nil {
				return err
			}
		}
		return nil
	})
}

// dropped calls drop for what is in before and no longer in after.
func dropped[T any](before, after map[string]*T, drop func(id string)) {
	for id := range before {
		if after[id] == nil {
			drop(id)
		}
	}
}

// added calls put for what is new or another in after, with its document.
func added[T any](before, after map[string]*T, put func(id, document string, v *T)) error {
	for id, v := range after {
		if before[id] == v {
			continue
		}
		document, err := json.Marshal(v)
		if err != nil {
			return err
		}
		put(id, string(document), v)
	}
	return nil
}
