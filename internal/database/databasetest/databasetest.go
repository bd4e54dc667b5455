// Package databasetest gives tests a database without making its schema anew
// each time, which takes most of the time of a small test.
package databasetest

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/postilion-mail/postilion/internal/database"
)

// empty is the file of a database with nothing in it, made once.
var empty = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "db")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	db, err := database.Open(context.Background(), database.Options{Dir: dir})
	if err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil { // puts all into the one file
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, database.Name))
})

// Open opens an empty database in a directory. It is closed at the end of the
// test.
func Open(t testing.TB, dir string) *database.DB {
	t.Helper()
	content, err := empty()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, database.Name), content, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := database.Open(context.Background(), database.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}
