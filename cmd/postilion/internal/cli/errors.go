package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/postilion-mail/postilion/sdk"
)

// Exit codes, after sysexits.h. 75 (EX_TEMPFAIL) is never used: since PHP 8.5
// mail() takes it for success.
const (
	exitOK          = 0
	exitFailed      = 1 // a check failed, or what was asked for is not so
	exitUsage       = 64
	exitData        = 65
	exitNoInput     = 66
	exitUnavailable = 69
	exitInternal    = 70
	exitPermission  = 77
	exitConfig      = 78
)

// exit ends the command with a code, and prints err unless it is nil.
type exit struct {
	code int
	err  error
}

func (e exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e exit) Unwrap() error { return e.err }

func usage(format string, arguments ...any) error {
	return exit{exitUsage, fmt.Errorf(format, arguments...)}
}

// report prints an error with its remedy and gives the exit code.
func (a *app) report(err error) int {
	if err == nil {
		return exitOK
	}
	code, text, remedy := a.explain(err)
	for line := range strings.Lines(text) {
		fmt.Fprintf(a.Err, "postilion: %s\n", clean(strings.TrimRight(line, "\n")))
	}
	if remedy != "" && !strings.Contains(text, remedy) {
		fmt.Fprintf(a.Err, "  %s\n", clean(remedy))
	}
	return code
}

// explain gives the exit code, what went wrong and what to do.
func (a *app) explain(err error) (code int, text, remedy string) {
	var ended exit
	if errors.As(err, &ended) {
		if ended.err == nil {
			return ended.code, "", ""
		}
		return ended.code, err.Error(), ""
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		if errors.Is(err, fs.ErrPermission) {
			return exitPermission, err.Error(), ""
		}
		return exitNoInput, err.Error(), ""
	}
	failure := sdk.AsError(err)
	if failure.Code == codes.Unknown && failure.Reason == "" {
		if !a.started { // cobra's own: unknown command, wrong arguments
			return exitUsage, err.Error() + "; see postilion --help", ""
		}
		return exitInternal, err.Error(), ""
	}
	if failure.Code == codes.Unavailable && failure.Reason == "" {
		return a.explainAbsence(failure)
	}
	text = failure.Message
	if len(failure.Fields) > 0 && !strings.Contains(text, failure.Fields[0]) {
		text = strings.Join(failure.Fields, ", ") + ": " + text
	}
	return exitCode(failure.Code), text, failure.Remedy
}

// explainAbsence is for a daemon that could not be reached at all.
func (a *app) explainAbsence(failure *sdk.Error) (code int, text, remedy string) {
	if strings.Contains(failure.Message, "permission denied") {
		return exitPermission, "you may not use the daemon's socket " + a.place.target,
			"run it as root or as the daemon's user, or give --socket " + sdk.DefaultSocket + " and --token-file"
	}
	return exitUnavailable, "the daemon does not answer at " + a.place.target + ": " + cause(failure.Message),
		"start it (systemctl start postilion, or postilion serve --data-dir DIR), or name another place with --data-dir, --socket or --address; postilion doctor looks for the cause"
}

// cause cuts gRPC's own wrapping from what the system said.
func cause(message string) string {
	if at := strings.LastIndex(message, "dial "); at >= 0 {
		return strings.Trim(message[at:], `"`)
	}
	return message
}

func exitCode(code codes.Code) int {
	switch code {
	case codes.InvalidArgument, codes.AlreadyExists, codes.OutOfRange:
		return exitData
	case codes.Unauthenticated, codes.PermissionDenied:
		return exitPermission
	case codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted, codes.Unimplemented:
		return exitUnavailable
	case codes.NotFound, codes.FailedPrecondition, codes.Aborted, codes.Canceled:
		return exitFailed
	}
	return exitInternal
}
