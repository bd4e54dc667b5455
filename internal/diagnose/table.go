package diagnose

// tables are searched from the top, and each of them from its own top; the
// first entry that matches is taken. So what is special stands before what is
// general: somebody else in the server's place, what providers say in words of
// their own, and at last what holds for every server, in the order of a
// session.
//
// To add an entry: the code never changes again; give the page that documents
// the meaning as source; match by provider, stage and codes, and by words only
// where codes do not tell; and play it in played_test.go.
var tables = [][]entry{impostors, google, microsoft, attempts, mailboxes, services, reaching, securing, greeting, login, envelope, content, session}
