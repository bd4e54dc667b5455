package auth

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/postilion-mail/postilion/internal/registry"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// directory knows clients by tokens that are their names.
type directory map[string]*registry.Client

func (d directory) Authenticate(token string) (*registry.Client, bool) {
	c, ok := d[token]
	return c, ok
}
func (d directory) ByUID(uid uint32) (*registry.Client, bool) {
	if uid == 33 {
		return d["site"], true
	}
	return nil, false
}
func (d directory) Admin() *registry.Client { return d["admin"] }

func client(name string, scopes registry.Scopes) *registry.Client {
	return &registry.Client{ID: "id-" + name, Name: name, Scopes: scopes}
}

var clients = directory{
	"admin":  client("admin", registry.ScopeAdmin),
	"site":   client("site", registry.ScopeSend),
	"reader": client("reader", registry.ScopeRead),
	"setup":  client("setup", registry.ScopeConfigure),
	"none":   client("none", 0),
}

var gate = &Gate{Directory: clients, AdminUIDs: []int{0, 1000}}

// methods are those of all services of the API.
func methods(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, file := range []protoreflect.FileDescriptor{
		postilionv1.File_postilion_v1_mailer_proto, postilionv1.File_postilion_v1_connection_proto,
		postilionv1.File_postilion_v1_message_proto, postilionv1.File_postilion_v1_admin_proto, postilionv1.File_postilion_v1_outcome_proto,
		postilionv1.File_postilion_v1_plugin_proto,
	} {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				out = append(out, "/"+string(service.FullName())+"/"+string(service.Methods().Get(j).Name()))
			}
		}
	}
	if len(out) < 20 {
		t.Fatalf("only %d methods were found", len(out))
	}
	return out
}

func TestEveryMethodHasARule(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, m := range methods(t) {
		known[m] = true
		r, ok := rules[m]
		if !ok {
			t.Errorf("%s has no rule", m)
		}
		if r.open {
			t.Errorf("%s is open to everybody", m)
		}
	}
	for m := range rules {
		if !known[m] && !strings.HasPrefix(m, "/grpc.health.v1.Health/") && m != "/plugin.GRPCController/Shutdown" {
			t.Errorf("there is a rule for %s, which is no method", m)
		}
	}
}

func enter(p Peer, method, authorization string) (Identity, codes.Code) {
	ctx, err := gate.Enter(context.Background(), p, "grpc", method, authorization)
	return From(ctx), status.Code(err)
}

// Every method, for every kind of caller, against a table that does not stand
// in the code: what a scope may is written down here a second time.
func TestEveryMethodForEveryCaller(t *testing.T) {
	t.Parallel()
	may := map[string]string{ // by service and the scopes that open the method
		"Configure": "setup", "TestConnection": "setup", "Send": "site", "SendBatch": "site",
		"ListConnections": "setup reader", "GetConnection": "setup reader", "DeleteConnection": "setup", "GetRoutes": "setup reader", "SetRoutes": "setup",
		"GetMessage": "reader", "ListMessages": "reader", "WatchEvents": "reader", "ListEvents": "reader",
		"ResendMessage": "site", "CancelMessage": "site", "HoldMessage": "site", "ReleaseMessage": "site",
		"CreateClient": "", "ListClients": "", "UpdateClient": "", "DeleteClient": "", "CreateToken": "", "RevokeToken": "", "Backup": "",
		"DiscoverSettings": "setup", "CheckDomain": "setup", "GetHealth": "",
		"ListPlugins": "", "AddPlugin": "", "VerifyPlugins": "", "EnablePlugin": "", "DisablePlugin": "", "RemovePlugin": "", "GetPluginLog": "",
		"ListProviders": "site reader setup none", "ListTransports": "site reader setup none", "GetServerInfo": "site reader setup none",
	}
	tcp := Peer{Door: DoorTCP, UID: -1}
	for _, m := range methods(t) {
		name := m[strings.LastIndexByte(m, '/')+1:]
		allowed, ok := may[name]
		if !ok {
			t.Errorf("%s is missing in this test's table", name)
		}
		for who := range clients {
			want := codes.PermissionDenied
			if who == "admin" || strings.Contains(" "+allowed+" ", " "+who+" ") {
				want = codes.OK
			}
			if _, got := enter(tcp, m, "Bearer "+who); got != want {
				t.Errorf("%s by %s: %v, not %v", name, who, got, want)
			}
		}
		for _, bad := range []string{"", "Bearer", "Bearer ", "Bearer wrong", "Basic c2l0ZTo=", "site", "Bearer 0", "Bearer null", "Bearer " + strings.Repeat("x", 1<<20)} {
			if _, got := enter(tcp, m, bad); got != codes.Unauthenticated {
				t.Errorf("%s with Authorization %.20q: %v", name, bad, got)
			}
		}
	}
}

func TestDoors(t *testing.T) {
	t.Parallel()
	const send, info = "/postilion.v1.MailerService/Send", "/postilion.v1.AdminService/ListClients"
	for _, c := range []struct {
		about         string
		peer          Peer
		method, token string
		who           string
		code          codes.Code
	}{
		{"root on the admin socket", Peer{DoorAdmin, 0, ""}, info, "", "admin", codes.OK},
		{"the daemon's user on the admin socket", Peer{DoorAdmin, 1000, ""}, info, "", "admin", codes.OK},
		{"another user on the admin socket", Peer{DoorAdmin, 33, ""}, info, "", "", codes.Unauthenticated},
		{"a bound user on a public socket", Peer{DoorPublic, 33, ""}, send, "", "site", codes.OK},
		{"a bound user without the scope", Peer{DoorPublic, 33, ""}, info, "", "", codes.PermissionDenied},
		{"root on a public socket", Peer{DoorPublic, 0, ""}, info, "", "", codes.Unauthenticated},
		{"a token on a public socket", Peer{DoorPublic, 0, ""}, info, "Bearer admin", "admin", codes.OK},
		{"a token wins over the user", Peer{DoorPublic, 33, ""}, send, "Bearer setup", "", codes.PermissionDenied},
		{"a wrong token does not fall back to the user", Peer{DoorPublic, 33, ""}, send, "Bearer wrong", "", codes.Unauthenticated},
		{"the scheme in small letters", Peer{DoorTCP, -1, ""}, send, "bearer site", "site", codes.OK},
		{"a user on TCP", Peer{DoorTCP, 33, ""}, send, "", "", codes.Unauthenticated},
		{"an unknown door", Peer{UID: 0}, send, "", "", codes.Unauthenticated},
		{"an unknown method", Peer{DoorAdmin, 0, ""}, "/postilion.v1.MailerService/Sendd", "", "", codes.Unimplemented},
		{"a path without its slash", Peer{DoorAdmin, 0, ""}, send[1:], "", "", codes.Unimplemented},
		{"health", Peer{DoorTCP, -1, ""}, "/grpc.health.v1.Health/Check", "", "", codes.OK},
	} {
		id, code := enter(c.peer, c.method, c.token)
		if code != c.code || id.Name != c.who {
			t.Errorf("%s: %v as %q, not %v as %q", c.about, code, id.Name, c.code, c.who)
		}
	}
}

func TestWhatACallerSees(t *testing.T) {
	t.Parallel()
	if sees := (Identity{Client: "a", Scopes: registry.ScopeRead}).Sees(); sees != "a" {
		t.Errorf("a client sees %q", sees)
	}
	if sees := (Identity{Client: "a", Scopes: registry.ScopeAdmin}).Sees(); sees != "" {
		t.Errorf("an admin sees only %q", sees)
	}
	if (From(context.Background())).Scopes != 0 {
		t.Error("a context without identity has scopes")
	}
}
