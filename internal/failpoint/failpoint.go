// Package failpoint names the places where a crash matters most, so that tests
// can kill the daemon exactly there. In a normal build Hit does nothing and
// costs nothing. In one with the build tag failpoint, the environment variable
// POSTILION_FAILPOINT=NAME:N makes the Nth Hit of that name the end of the
// process, as by kill -9.
package failpoint

// The names, in the order in which a message passes them.
const (
	DropFound      = "drop-found"      // a maildrop file was read, nothing done
	AcceptBegin    = "accept-begin"    // nothing is written
	ContentWritten = "content-written" // a large content, not synced
	ContentSynced  = "content-synced"  // without its final name
	ContentRenamed = "content-renamed" // with it, the directory not synced
	ContentKept    = "content-kept"    // on stable storage, without its row
	AcceptInserted = "accept-inserted" // in the transaction
	CommitBegin    = "commit-begin"    // of any group of writes: nothing is written
	CommitBefore   = "commit-before"   // all of a group is written, nothing committed
	CommitAfter    = "commit-after"    // committed, nobody told
	AcceptDone     = "accept-done"     // committed, the caller not answered
	DropAccepted   = "drop-accepted"   // a maildrop file was accepted and is still there
	DropRemoved    = "drop-removed"    // and was removed
	Committing     = "committing"      // before the last octets go to the server
	Delivered      = "delivered"       // the server has answered, nothing recorded
	RecordWritten  = "record-written"  // the outcome is in the transaction
	RecordDone     = "record-done"     // the outcome is committed
	Recovered      = "recovered"       // a dead run's claim is written off, not committed
)

// Names lists them.
func Names() []string {
	return []string{
		DropFound, AcceptBegin, ContentWritten, ContentSynced, ContentRenamed, ContentKept, AcceptInserted,
		CommitBegin, CommitBefore, CommitAfter, AcceptDone, DropAccepted, DropRemoved,
		Committing, Delivered, RecordWritten, RecordDone, Recovered,
	}
}

// Variable is the environment variable that sets a failpoint.
const Variable = "POSTILION_FAILPOINT"
