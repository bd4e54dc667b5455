package server

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/postilion-mail/postilion/internal/smtptest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// Nobody but an admin learns by a test what is on this machine or network: not
// by the test's own connection, nor by what it tries beside.
func TestATestIsNoPortScanner(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	inner := smtptest.StartScripted(t, smtptest.Script{})
	for i, host := range []string{"127.0.0.1", "localhost", "::1", "::ffff:127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0"} {
		site := r.dial(r.addr.GRPC, r.client(fmt.Sprintf("site%d", i), allScopes...)) // each has its own quota of tests
		for _, port := range []int{inner.Port(), 25, 22} {
			res, err := site.TestConnection(r.ctx(), &postilionv1.TestConnectionRequest{Target: &postilionv1.TestConnectionRequest_Draft{Draft: &postilionv1.Connection{
				Transport: &postilionv1.Connection_Smtp{Smtp: &postilionv1.SmtpSettings{Host: host, Port: uint32(port), Security: postilionv1.Security_SECURITY_NONE}},
			}}})
			if err != nil {
				t.Fatal(err)
			}
			if res.GetOk() || res.GetDiagnosis().GetCode() != "connect.refused_by_policy" || len(res.GetProposals()) > 0 {
				t.Errorf("%s: %v", net.JoinHostPort(host, "?"), res)
			}
			for _, stage := range res.GetStages() {
				for name, value := range stage.GetFacts() {
					if strings.HasPrefix(name, "ports_") || name == "addresses" && value != host {
						t.Errorf("%s: %s tells %s=%s", host, stage.GetName(), name, value)
					}
				}
			}
		}
	}
	if n := inner.Connections(); n != 0 {
		t.Errorf("%d connections came through", n)
	}
}
