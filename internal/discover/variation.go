package discover

// mode is a port with the security that it is spoken to with.
type mode struct {
	port     uint16
	security string
}

// usual are the modes of submission, the safest first: RFC 8314 section 3.3
// prefers TLS from the first octet. 2525 is what providers offer where the
// others are blocked; on 25 some hosters still take submissions.
var usual = []mode{{465, implicitTLS}, {587, startTLS}, {2525, startTLS}, {25, startTLS}}

// variations gives the other usual modes of a host.
func variations(f Found) []Found {
	var all []Found
	for _, m := range usual {
		v := f
		v.Port, v.Security, v.Source = m.port, m.security, FromVariation
		v.Detail = "another usual port of " + f.Host
		v.Confidence = Low
		if v.key() != f.key() {
			all = append(all, v)
		}
	}
	return all
}

// Variations gives the other ways to a server whose settings do not work, the
// safest first: the same port spoken to otherwise, the usual other ports, and
// if an authentication was chosen, the automatic one. None is without TLS.
func Variations(given Found) []Found {
	given.Vouched = true // whoever gave the settings chose the host
	var all []Found
	add := func(v Found, detail string) {
		v.Source, v.Detail, v.Confidence = FromVariation, detail, Medium
		all = append(all, v)
	}
	if given.Auth != "" && (given.Security == implicitTLS || given.Security == startTLS) {
		v := given
		v.Auth = ""
		add(v, "the same port with whatever authentication the server offers")
	}
	for _, security := range []string{implicitTLS, startTLS} {
		v := given
		if v.Security = security; security != given.Security && !conventional(v) {
			add(v, "the same port with other security")
		}
	}
	for _, v := range variations(given) {
		add(v, v.Detail)
	}
	return all
}

// conventional tells that a way is among the usual ones, or contradicts them:
// nobody serves STARTTLS on 465.
func conventional(f Found) bool {
	for _, m := range usual {
		if m.port == f.Port {
			return true
		}
	}
	return false
}
