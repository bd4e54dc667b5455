package wordpress

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/postilion-mail/postilion/internal/daemontest"
)

// browser is a real Chromium with one page. Whatever a page's scripts complain
// about fails the test.
type browser struct {
	t      testing.TB
	site   *site
	ctx    context.Context
	folder string // of the screenshots

	mu         sync.Mutex
	complaints []string
}

// openBrowser starts Chromium. The screenshots go to POSTILION_SCREENSHOTS, if
// that is set.
func openBrowser(t testing.TB, s *site, name string) *browser {
	t.Helper()
	b := &browser{t: t, site: s, folder: filepath.Join(s.folder, "screenshots")}
	if folder := os.Getenv("POSTILION_SCREENSHOTS"); folder != "" {
		b.folder = filepath.Join(folder, name)
	}
	if err := os.MkdirAll(b.folder, 0o755); err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("/usr/bin/chromium"), chromedp.NoSandbox, chromedp.WindowSize(1280, 1000),
		chromedp.UserDataDir(filepath.Join(s.folder, "chromium")),
		chromedp.WSURLReadTimeout(patience), chromedp.Env("HOME="+s.folder))
	allocator, endAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, end := chromedp.NewContext(allocator, chromedp.WithListener(b.listen))
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx)
		end()
		endAllocator()
	})
	if err := chromedp.Do(ctx); err != nil { // starts it: not with the context that ends earlier
		t.Fatalf("Chromium: %v", err)
	}
	var cancel context.CancelFunc
	b.ctx, cancel = context.WithTimeout(ctx, 5*patience)
	t.Cleanup(cancel)
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, complaint := range b.complaints {
			t.Errorf("the browser: %s", complaint)
		}
	})
	return b
}

// listen notes what a reader would not see.
func (b *browser) listen(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.complain(fmt.Sprintf("a script of %s failed: %+v", e.ExceptionDetails.URL, e.ExceptionDetails.Exception))
	case *page.EventJavascriptDialogOpening:
		b.complain("a dialog opened: " + e.Message)
	}
}

func (b *browser) complain(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.complaints = append(b.complaints, text)
}

// do runs actions; one that fails ends the test with a picture of the page.
func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.shoot("failed")
		b.t.Fatalf("the browser: %v\n%s", err, b.text("body"))
	}
}

// open goes to a page of the site.
func (b *browser) open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.site.URL + path))
}

// fill sets fields by their ids.
func (b *browser) fill(values map[string]string) {
	b.t.Helper()
	for id, value := range values {
		b.do(chromedp.SetValue(chromedp.CSS("#"+id), value))
	}
}

// click clicks what leads nowhere.
func (b *browser) click(selector string) {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.CSS(selector)))
}

// press clicks what leads to another page, and waits for that.
func (b *browser) press(selector string) {
	b.t.Helper()
	if _, err := chromedp.RunResponse(b.ctx, chromedp.Click(chromedp.CSS(selector))); err != nil {
		b.shoot("failed")
		b.t.Fatalf("the browser: %s: %v\n%s", selector, err, b.text("body"))
	}
}

// text is what a reader sees.
func (b *browser) text(selector string) string {
	b.t.Helper()
	script := fmt.Sprintf(`(document.querySelector(%q) || {innerText: ""}).innerText`, selector)
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](script))
	if err != nil {
		b.t.Fatalf("the browser: %v", err)
	}
	return text
}

// expect waits until a reader sees texts.
func (b *browser) expect(selector string, texts ...string) {
	b.t.Helper()
	var seen string
	for late := time.Now().Add(daemontest.Patience); ; time.Sleep(50 * time.Millisecond) {
		seen = b.text(selector)
		missing := ""
		for _, text := range texts {
			if !strings.Contains(seen, text) {
				missing = text
			}
		}
		if missing == "" {
			return
		}
		if time.Now().After(late) {
			b.shoot("failed")
			b.t.Fatalf("%s does not show %q:\n%s", selector, missing, seen)
		}
	}
}

// shoot takes a picture of the whole page.
func (b *browser) shoot(name string) {
	b.t.Helper()
	for _, word := range []string{"Warning:", "Notice:", "Deprecated:", "Fatal error"} {
		if text := b.text("body"); strings.Contains(text, word) {
			b.t.Errorf("the page %s has an error of PHP on it:\n%s", name, text)
		}
	}
	_, _ = chromedp.Run(b.ctx, chromedp.Evaluate[any]("window.scrollTo(0, 0)"))
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Errorf("no picture: %v", err)
		return
	}
	if err := os.WriteFile(filepath.Join(b.folder, name+".png"), picture, 0o644); err != nil {
		b.t.Error(err)
	}
}

// login logs in as the admin.
func (b *browser) login() {
	b.t.Helper()
	b.loginAs(adminName, adminPassword)
}

func (b *browser) loginAs(name, password string) {
	b.t.Helper()
	b.open("/wp-login.php")
	b.fill(map[string]string{"user_login": name, "user_pass": password})
	b.press("#wp-submit")
	b.expect("body", "Dashboard")
}

// logout forgets who was logged in.
func (b *browser) logout() {
	b.t.Helper()
	b.do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, network.ClearBrowserCookies, cdp.Empty{})
		return chromedp.Void{}, err
	})
}
