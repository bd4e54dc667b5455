package diagnose

// Context is what is known around an outcome: the connection it happened on
// and, from a test, what its stages have found out. All of it is optional.
type Context struct {
	Host     string // as configured
	Port     int
	Security string // as the smtp transport's setting: tls, starttls, opportunistic, none
	Auth     string // the mechanism, as that setting
	Username string // of the login, empty for none
	// Sender is the From address that the connection gives to mail, and
	// ContentLimit the largest message in octets; for warnings, both optional.
	Sender       string
	ContentLimit int64
	// Greeting is what the server greeted with. It serves to recognise the
	// provider only: no failure is ever explained by it.
	Greeting string
	// Stage is the name of the stage that failed, for transports whose stages
	// are no phases of SMTP.
	Stage string
	// Facts are those of a test's stages up to the one that failed.
	Facts map[string]string
}

// ContextOf gives what a connection's settings tell, as the smtp transport
// names them; other transports need not have them.
func ContextOf(settings map[string]any) Context {
	text := func(name string) string { s, _ := settings[name].(string); return s }
	port, _ := settings["port"].(float64)
	return Context{Host: text("host"), Port: int(port), Security: text("security"), Auth: text("auth"), Username: text("username")}
}
