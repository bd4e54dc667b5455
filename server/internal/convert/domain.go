package convert

import (
	"github.com/postilion-mail/postilion/internal/domaincheck"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// CheckStatus gives the API's value; both have the same numbers, which a test
// holds.
func CheckStatus(s domaincheck.Status) postilionv1.CheckStatus { return postilionv1.CheckStatus(s) }

// DomainCheck gives the API's view of a finding.
func DomainCheck(f domaincheck.Finding) *postilionv1.DomainCheck {
	return &postilionv1.DomainCheck{
		Name: f.Name, Code: f.Code, Status: CheckStatus(f.Status), Detail: f.Detail, RecordName: f.Record,
		Found: f.Found, Publish: f.Publish, Remedies: f.Remedies,
	}
}
