package registry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/registry"
)

const canary = "canary-7f3a91-hunter2"

// T147: nothing that is secret is in the database, the logs or the errors.
func TestNoSecretInPlaintext(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	shop := e.client("shop")
	made := e.configure(shop, smtp("relay"), password(canary))
	_, token, err := e.CreateClient(e.ctx(), registry.Client{Name: "bot"}, true)
	if err != nil {
		t.Fatal(err)
	}
	admin, err := e.EnsureAdminToken(e.ctx(), "")
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	change := changeOf(shop, smtp("relay", set("host", "other")), password(canary+"\x00"))
	change.Clear = []string{"password"}
	_, _, err = e.Configure(e.ctx(), change)
	fmt.Fprintf(&said, "%v %+v %#v %v", err, change, change, change.Secrets)
	e.options.Log.Info("change", "change", change, "secrets", change.Secrets)
	got, _ := e.Get(shop, "relay")
	fmt.Fprintf(&said, "%+v %#v %+v", got, made, e.Clients())
	e.wantSecrets(made.ID, registry.Secrets{"password": canary})
	e.db.Close()

	secrets := []string{canary, token, token[8:], admin, admin[8:]}
	scanned := 0
	err = filepath.WalkDir(e.data.Dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		scanned += len(data)
		for _, s := range secrets {
			if bytes.Contains(data, []byte(s)) {
				t.Errorf("%s holds a secret", d.Name())
			}
		}
		return err
	})
	if err != nil || scanned == 0 {
		t.Fatal(scanned, err)
	}
	for _, s := range secrets {
		if strings.Contains(said.String(), s) || strings.Contains(e.log.String(), s) {
			t.Error("an error, an answer or the log holds a secret")
		}
	}
}

// T147: with another key the daemon does not start, and harms nothing.
func TestWrongKey(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	made := e.configure(e.client("shop"), smtp("relay"), password("x"))
	before := e.dump()
	e.db.Close()

	good := e.options.Box
	e.options.Box = keyOf(t, 2)
	err := e.tryStart()
	if !errors.Is(err, registry.ErrWrongKey) || !strings.Contains(err.Error(), "key") {
		t.Fatalf("a wrong key gives %v", err)
	}
	e.db.Close()
	e.options.Box = good
	e.start()
	if after := e.dump(); !slices.Equal(before, after) {
		t.Errorf("the database changed from\n%s\nto\n%s", before, after)
	}
	e.wantSecrets(made.ID, registry.Secrets{"password": "x"})
}

// dump gives all rows of the registry's tables.
func (e *env) dump() []string {
	e.t.Helper()
	var all []string
	err := e.db.Read(e.ctx(), func(tx *database.Tx) error {
		all = nil
		for _, query := range []string{
			`SELECT name, hex(value) FROM registry_meta ORDER BY 1`,
			`SELECT id, name || document FROM clients ORDER BY 1`,
			`SELECT id, client || name || document FROM connections ORDER BY 1`,
			`SELECT client, document FROM routes ORDER BY 1`,
		} {
			rows, err := tx.Query(query)
			if err != nil {
				return err
			}
			for rows.Next() {
				var a, b string
				if err := rows.Scan(&a, &b); err != nil {
					return err
				}
				all = append(all, a+" "+b)
			}
			if rows.Err() != nil {
				return rows.Err()
			}
		}
		return nil
	})
	if err != nil {
		e.t.Fatal(err)
	}
	return all
}

// A secret that is moved to another connection in the database does not open.
func TestMovedSecret(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	a, b := e.client("a"), e.client("b")
	from := e.configure(a, smtp("relay"), password(canary))
	for _, to := range []registry.Connection{
		e.configure(b, smtp("relay"), password("own")),
		e.configure(a, smtp("other"), password("own")),
	} {
		e.exec(`UPDATE connections SET document = (SELECT document FROM connections WHERE id = ?) WHERE id = ?`, from.ID, to.ID)
		e.restart()
		if _, err := e.Secrets(e.ctx(), to.ID); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("a secret moved to %s of %s: %v", to.Name, to.OwnerName, err)
		}
	}
	e.exec(`UPDATE connections SET document = replace(document, '"password":', '"api_key":') WHERE id = ?`, from.ID)
	e.restart()
	if _, err := e.Secrets(e.ctx(), from.ID); err == nil {
		t.Error("a secret moved to another field opens")
	}
	e.exec(`UPDATE connections SET document = replace(document, '"api_key":', '"password":') WHERE id = ?`, from.ID)
	e.restart()
	e.wantSecrets(from.ID, registry.Secrets{"password": canary})
}

func (e *env) exec(query string, args ...any) {
	e.t.Helper()
	err := e.db.Write(e.ctx(), func(tx *database.Tx) error {
		n, err := tx.Exec(query, args...)
		if err == nil && n != 1 {
			err = fmt.Errorf("%d rows changed", n)
		}
		return err
	})
	if err != nil {
		e.t.Fatal(err)
	}
}

// A damaged record is left aside, and makes room when it is configured again.
func TestDamagedRecords(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	shop := e.client("shop")
	bad := e.configure(shop, smtp("bad"))
	good := e.configure(shop, smtp("good", fallbacks("bad")))
	e.exec(`UPDATE connections SET document = '{' WHERE id = ?`, bad.ID)
	if _, err := e.SetRoutes(e.ctx(), shop, []registry.Route{{Connection: "good"}}, ""); err != nil {
		t.Fatal(err)
	}
	e.exec(`UPDATE routes SET document = 'x' WHERE client = ?`, shop)
	e.client("broken")
	e.exec(`UPDATE clients SET document = '[]' WHERE name = 'broken'`)
	e.restart()
	if got := names(e.Chain(good.ID)); !slices.Equal(got, []string{"good"}) {
		t.Errorf("the chain is %v", got)
	}
	if _, ok := e.ClientNamed("broken"); ok {
		t.Error("a damaged client is used")
	}
	if n := strings.Count(e.log.String(), "damaged record"); n != 3 {
		t.Errorf("%d records are logged as damaged, want 3", n)
	}
	if rows := len(e.dump()); rows != 1+4+3+1 {
		t.Errorf("%d rows are left", rows)
	}
	if made := e.configure(shop, smtp("bad")); made.ID == bad.ID || made.Generation != 1 {
		t.Errorf("got %+v", made)
	}
	e.configure(shop, smtp("worse"))
	e.exec(`UPDATE connections SET document = 'null}' WHERE name = 'worse'`)
	e.restart()
	if err := e.DeleteClient(e.ctx(), "shop"); err != nil {
		t.Error(err)
	}
	e.exec(`UPDATE clients SET document = '[]' WHERE name = 'admin'`)
	e.db.Close()
	if err := e.tryStart(); err == nil || !strings.Contains(err.Error(), "admin") {
		t.Errorf("a damaged admin gives %v", err)
	}
}

// A write that failed promises nothing, and what is in memory is again what is
// on the disk, whichever way the failure went.
func TestFailedWrite(t *testing.T) {
	t.Parallel()
	for _, point := range []database.Point{database.PointBegin, database.PointCommit, database.PointCommitted} {
		t.Run(string(point), func(t *testing.T) {
			t.Parallel()
			var broken atomic.Bool
			e := newEnv(t, func(e *env) {
				e.data.Fault = func(p database.Point) error {
					if p == point && broken.CompareAndSwap(true, false) {
						return errors.New("input/output error")
					}
					return nil
				}
			})
			shop := e.client("shop")
			e.configure(shop, smtp("relay"), password("old"))
			broken.Store(true)
			_, _, err := e.Configure(e.ctx(), changeOf(shop, smtp("relay"), password("new")))
			if !errors.Is(err, database.ErrUnavailable) {
				t.Fatalf("got %v", err)
			}
			e.configure(shop, smtp("other"))
			memory := e.List(shop)
			e.restart()
			if disk := e.List(shop); !reflect.DeepEqual(memory, disk) {
				t.Errorf("in memory\n%+v\non disk\n%+v", memory, disk)
			}
			c, _ := e.Get(shop, "relay")
			want, generation := "old", uint64(1)
			if point == database.PointCommitted {
				want, generation = "new", 2
			}
			if c.Generation != generation {
				t.Errorf("generation %d, want %d", c.Generation, generation)
			}
			e.wantSecrets(c.ID, registry.Secrets{"password": want})
		})
	}
}

// Whoever gives up before the change changes nothing.
func TestCancelled(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	shop := e.client("shop")
	ctx, cancel := context.WithCancel(e.ctx())
	cancel()
	if _, _, err := e.Configure(ctx, changeOf(shop, smtp("relay"))); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := e.Get(shop, "relay"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}
