package plugins

import (
	"context"
	"encoding/json"
	"time"

	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/plugin"
)

// Entry is what is stored of a plugin. Its slices are read, never changed.
type Entry struct {
	Name   string `json:"-"`
	File   string `json:"file"`   // in the plugin directory
	SHA256 string `json:"sha256"` // of the program, in hexadecimal
	Run
	Enabled     bool               `json:"enabled"`
	Description plugin.Description `json:"description"`
	Created     time.Time          `json:"created"`
}

// Run says how a program is run. The fields are those of host.Options.
type Run struct {
	Args        []string `json:"args,omitempty"`
	Environment []string `json:"environment,omitempty"`
	ReadPaths   []string `json:"read_paths,omitempty"`
	WritePaths  []string `json:"write_paths,omitempty"`
	MaxMemory   int64    `json:"max_memory,omitempty"` // octets
	MaxCPU      uint32   `json:"max_cpu,omitempty"`    // thousandths of a processor
	NoNetwork   bool     `json:"no_network,omitempty"`
	WithoutTLS  bool     `json:"without_tls,omitempty"`
}

// load reads all entries. One that cannot be read is left out: its program is
// of no use without it.
func (m *Manager) load(ctx context.Context) ([]Entry, error) {
	var entries []Entry
	err := m.options.Database.Read(ctx, func(tx *database.Tx) error {
		rows, err := tx.Query(`SELECT name, document FROM plugins`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var name, document string
			if err := rows.Scan(&name, &document); err != nil {
				return err
			}
			var e Entry
			if err := json.Unmarshal([]byte(document), &e); err != nil {
				m.options.Log.Error("the record of a plugin is damaged; add it again", "plugin", name)
				continue
			}
			e.Name = name
			entries = append(entries, e)
		}
		return rows.Err()
	})
	return entries, err
}

// put stores an entry.
func (m *Manager) put(ctx context.Context, e *Entry) error {
	document, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return m.options.Database.Write(ctx, func(tx *database.Tx) error {
		_, err := tx.Exec(`INSERT INTO plugins (name, document) VALUES (?, ?)
			ON CONFLICT (name) DO UPDATE SET document = excluded.document`, e.Name, string(document))
		return err
	})
}

// drop deletes an entry.
func (m *Manager) drop(ctx context.Context, name string) error {
	return m.options.Database.Write(ctx, func(tx *database.Tx) error {
		_, err := tx.Exec(`DELETE FROM plugins WHERE name = ?`, name)
		return err
	})
}
