package database

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"os"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema up to date. It refuses a database of a newer
// schema and changes nothing of it.
func migrate(ctx context.Context, path string) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	target, err := newest(files)
	if err != nil {
		return err
	}
	have, err := schemaVersion(ctx, path)
	switch {
	case err != nil:
		return fmt.Errorf("database %s: %w", path, err)
	case have > target:
		return fmt.Errorf("database %s has schema version %d, and this program knows versions up to %d: install a newer one; nothing was changed", path, have, target)
	case have == target:
		return nil
	}
	connector, err := sqlite.NewConnector(dsn(path, false))
	if err != nil {
		return err
	}
	pool := sql.OpenDB(connector)
	defer pool.Close()
	provider, err := goose.NewProvider(goose.DialectSQLite3, pool, files)
	if err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("database %s: bring its schema to version %d: %w", path, target, err)
	}
	return nil
}

// newest is the highest number of a migration.
func newest(files fs.FS) (int64, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return 0, err
	}
	var highest int64
	for _, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return 0, err
		}
		highest = max(highest, version)
	}
	return highest, nil
}

// schemaVersion reads the version without changing the file; 0 for none.
func schemaVersion(ctx context.Context, path string) (version int64, err error) {
	info, err := os.Stat(path)
	if os.IsNotExist(err) || err == nil && info.Size() == 0 {
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	c, err := dial(ctx, fileURL(path)+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		return 0, err
	}
	defer c.close()
	tx := &Tx{conn: c, ctx: ctx}
	var tables int64
	err = tx.QueryRow(`SELECT count(*) FROM sqlite_master WHERE name = 'goose_db_version'`).Scan(&tables)
	if err != nil || tables == 0 {
		return 0, err
	}
	err = tx.QueryRow(`SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied = 1`).Scan(&version)
	return version, err
}
