package database

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// CopyTo writes a consistent copy of the database to a new file in a directory
// while the daemon runs, and fsyncs it.
func (db *DB) CopyTo(ctx context.Context, dir string) error {
	c, err := open(ctx, db.path, false)
	if err != nil {
		return err
	}
	defer c.close()
	path := filepath.Join(dir, Name)
	tx := &Tx{conn: c, ctx: ctx}
	if _, err := tx.Exec(`VACUUM INTO ?`, path); err != nil {
		return fmt.Errorf("copy the database to %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// View runs fn on the database of a directory without taking its lock or
// changing anything, whether or not a daemon runs there.
func View(ctx context.Context, dir string, fn func(*Tx) error) error {
	path := filepath.Join(dir, Name)
	if _, err := os.Stat(path); err != nil {
		return err
	}
	c, err := dial(ctx, fileURL(path)+"?mode=ro&_pragma=busy_timeout(10000)&_pragma=query_only(on)")
	if err != nil {
		return fmt.Errorf("open database %s: %w", path, err)
	}
	defer c.close()
	if err := c.simple("BEGIN"); err != nil {
		return err
	}
	return fn(&Tx{conn: c, ctx: ctx})
}
