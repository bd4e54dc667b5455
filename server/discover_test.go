package server

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/postilion-mail/postilion/internal/smtptest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

const (
	discoverUser     = "jane@site.test"
	discoverPassword = "correct horse battery"
)

// siteOf has the records of a domain that names a server on this machine.
func siteOf(server *smtptest.Server) string {
	return fmt.Sprintf("_submission._tcp.site.test. SRV 0 1 %d smtp.site.test.\nsmtp.site.test. A 127.0.0.1\n"+
		"tenant.test. MX 0 tenant-test.mail.protection.outlook.com.\n", server.Port())
}

// What a domain publishes is found and tried; what anybody may ask for reaches
// no server of this machine, and nobody's password goes to a server that cannot
// prove its name.
func TestDiscoverSettings(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.Account(discoverUser, discoverPassword))
	r := newRig(t, withDNS(t, siteOf(server)))
	password := discoverPassword
	request := &postilionv1.DiscoverSettingsRequest{Address: discoverUser, Password: &password}

	site := r.dial(r.addr.GRPC, r.client("site", postilionv1.Scope_SCOPE_CONFIGURE))
	got, err := site.DiscoverSettings(r.ctx(), request)
	if err != nil {
		t.Fatal(err)
	}
	first := findProposal(got, uint32(server.Port()))
	if first.GetSource() != postilionv1.ProposalSource_PROPOSAL_SOURCE_SRV || first.GetTrial() != postilionv1.Trial_TRIAL_FAILED || first.GetDiagnosis() == nil {
		t.Errorf("%v", first)
	}
	if server.Sessions() != 0 {
		t.Error("a server of this machine was reached")
	}

	if got, err = r.admin.DiscoverSettings(r.ctx(), request); err != nil {
		t.Fatal(err)
	}
	first = findProposal(got, uint32(server.Port()))
	if first.GetTrial() != postilionv1.Trial_TRIAL_FAILED || !strings.HasPrefix(first.GetDiagnosis().GetCode(), "tls.") {
		t.Errorf("%v", first)
	}
	if server.Sessions() == 0 {
		t.Error("the server was not tried")
	}
	if strings.Contains(got.String()+r.log.String(), password) {
		t.Error("the password is shown")
	}
}

func findProposal(got *postilionv1.DiscoverSettingsResponse, port uint32) *postilionv1.Proposal {
	for _, p := range got.GetProposals() {
		if p.GetSmtp().GetPort() == port {
			return p
		}
	}
	return nil
}

func TestDiscoverLooksUp(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t)
	r := newRig(t, withDNS(t, siteOf(server)))
	for address, want := range map[string]string{
		"jane@gmail.com":   "gmail smtp.gmail.com:465 SECURITY_IMPLICIT_TLS jane@gmail.com PROPOSAL_SOURCE_PROVIDER CONFIDENCE_HIGH TRIAL_UNTRIED",
		"jane@tenant.test": "microsoft365 smtp.office365.com:587 SECURITY_STARTTLS jane@tenant.test PROPOSAL_SOURCE_MX CONFIDENCE_HIGH TRIAL_UNTRIED",
		discoverUser:       fmt.Sprintf(" smtp.site.test:%d SECURITY_STARTTLS jane@site.test PROPOSAL_SOURCE_SRV CONFIDENCE_HIGH TRIAL_UNTRIED", server.Port()),
		"nothing.test":     " smtp.nothing.test:465 SECURITY_IMPLICIT_TLS  PROPOSAL_SOURCE_GUESS CONFIDENCE_LOW TRIAL_UNTRIED",
	} {
		got, err := r.admin.DiscoverSettings(r.ctx(), &postilionv1.DiscoverSettingsRequest{Address: address, LookupOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		p := got.GetProposals()[0]
		s := p.GetSmtp()
		if text := fmt.Sprintf("%s %s:%d %v %s %v %v %v", s.GetProvider(), s.GetHost(), s.GetPort(), s.GetSecurity(), s.GetUsername(), p.GetSource(), p.GetConfidence(), p.GetTrial()); text != want {
			t.Errorf("%s: %s", address, text)
		}
	}
	if server.Sessions() != 0 {
		t.Error("the mail server was connected to")
	}
	for field, request := range map[string]*postilionv1.DiscoverSettingsRequest{
		"address":  {Address: "localhost"},
		"username": {Address: "site.test", Username: "a\r\nb"},
	} {
		_, err := r.admin.DiscoverSettings(r.ctx(), request)
		if status.Code(err) != codes.InvalidArgument || !strings.HasPrefix(status.Convert(err).Message(), field+":") {
			t.Errorf("%s: %v", field, err)
		}
	}
	// What it finds, Configure takes.
	got, err := r.admin.DiscoverSettings(r.ctx(), &postilionv1.DiscoverSettingsRequest{Address: "jane@gmail.com", LookupOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	settings := got.GetProposals()[0].GetSmtp()
	password := discoverPassword
	settings.Password = &password
	c := configure(t, r.admin, &postilionv1.Connection{Name: "main", Transport: &postilionv1.Connection_Smtp{Smtp: settings}})
	if c.GetLimits().GetPerDay() != 500 || c.GetSmtp().GetUsername() != "jane@gmail.com" {
		t.Errorf("%v", c)
	}
	if notes := strings.Join(got.GetNotes(), "\n"); !strings.Contains(notes, "app password") {
		t.Errorf("no word of app passwords: %s", notes)
	}
}

// Discoveries count as tests, which are bounded; those that connect as several.
func TestDiscoveriesAreCounted(t *testing.T) {
	t.Parallel()
	r := newRig(t, withDNS(t, "gone.test. A 127.0.0.1\n"))
	// The window is a minute of the machine's: what is made before and after
	// its end is twice as much at most.
	for _, request := range []*postilionv1.DiscoverSettingsRequest{{Address: "gmail.com", LookupOnly: true}, {Address: "gone.test"}} {
		site := r.dial(r.addr.GRPC, r.client(fmt.Sprintf("site%t", request.GetLookupOnly()), postilionv1.Scope_SCOPE_CONFIGURE))
		most := 60
		if !request.GetLookupOnly() {
			most = 12
		}
		for n := range most + 1 {
			_, err := site.DiscoverSettings(r.ctx(), request)
			if status.Code(err) == codes.ResourceExhausted {
				break
			}
			if err != nil || n == most {
				t.Fatalf("%d: %v", n, err)
			}
		}
	}
}

// A test that comes to no session proposes what works, login included.
func TestProposals(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.Account(discoverUser, discoverPassword))
	r := newRig(t)
	password := discoverPassword
	wrong := &postilionv1.Connection{Name: "wrong", Transport: &postilionv1.Connection_Smtp{Smtp: &postilionv1.SmtpSettings{
		Host: "127.0.0.1", Port: uint32(server.Port()), Security: postilionv1.Security_SECURITY_IMPLICIT_TLS,
		Username: discoverUser, Password: &password, CaCertificates: []byte(server.CA().PEM()),
	}}}
	test := func(as caller, request *postilionv1.TestConnectionRequest) *postilionv1.TestConnectionResponse {
		t.Helper()
		got, err := as.TestConnection(r.ctx(), request)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	draft := &postilionv1.TestConnectionRequest{Target: &postilionv1.TestConnectionRequest_Draft{Draft: wrong}}
	works := func(got *postilionv1.TestConnectionResponse) {
		t.Helper()
		if got.GetOk() || len(got.GetProposals()) != 1 {
			t.Fatalf("ok %v, %v", got.GetOk(), got.GetProposals())
		}
		p := got.GetProposals()[0]
		if s := p.GetSmtp(); s.GetHost() != "127.0.0.1" || s.GetPort() != uint32(server.Port()) || s.GetSecurity() != postilionv1.Security_SECURITY_STARTTLS || s.GetUsername() != discoverUser ||
			p.GetTrial() != postilionv1.Trial_TRIAL_LOGIN || p.GetSource() != postilionv1.ProposalSource_PROPOSAL_SOURCE_VARIATION {
			t.Errorf("%v", p)
		}
		if strings.Contains(got.String(), password) {
			t.Error("the password is shown")
		}
	}
	works(test(r.admin, draft))
	configure(t, r.admin, wrong)
	named := &postilionv1.TestConnectionRequest{Target: &postilionv1.TestConnectionRequest_Name{Name: "wrong"}}
	works(test(r.admin, named)) // with the stored password

	named.SkipProposals = true
	if got := test(r.admin, named); len(got.GetProposals()) != 0 {
		t.Errorf("proposals that were not asked for: %v", got.GetProposals())
	}
	// A password that is wrong is so on every port.
	bad := "wrong"
	wrong.GetSmtp().Password, wrong.GetSmtp().Security = &bad, postilionv1.Security_SECURITY_STARTTLS
	if got := test(r.admin, draft); got.GetOk() || len(got.GetProposals()) != 0 {
		t.Errorf("%v", got.GetProposals())
	}
	// Who may not reach this machine gets no proposals for it.
	wrong.GetSmtp().Security, wrong.Name = postilionv1.Security_SECURITY_IMPLICIT_TLS, "other"
	before := server.Sessions()
	if got := test(r.dial(r.addr.GRPC, r.client("site", postilionv1.Scope_SCOPE_CONFIGURE)), draft); got.GetOk() || len(got.GetProposals()) != 0 || server.Sessions() != before {
		t.Errorf("%v", got)
	}
}
