package convert

import (
	"testing"

	"github.com/postilion-mail/postilion/internal/domaincheck"
)

func TestDomainCheckIsComplete(t *testing.T) {
	t.Parallel()
	full := DomainCheck(domaincheck.Finding{
		Name: "spf", Code: "spf.ok", Status: domaincheck.OK, Detail: "d", Record: "r", Found: []string{"f"}, Publish: "p", Remedies: []string{"m"},
	})
	if paths := unset(full.ProtoReflect(), ""); len(paths) > 0 {
		t.Errorf("%q are not set", paths)
	}
	for status, name := range map[domaincheck.Status]string{
		domaincheck.OK: "OK", domaincheck.Notice: "NOTICE", domaincheck.Warning: "WARNING", domaincheck.Failed: "FAILED", domaincheck.Unknown: "UNKNOWN",
	} {
		if got := CheckStatus(status).String(); got != "CHECK_STATUS_"+name {
			t.Errorf("%d is %s", status, got)
		}
	}
}
