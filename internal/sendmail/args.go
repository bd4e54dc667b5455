package sendmail

import (
	"strings"
)

// mode is what -b chooses.
type mode byte

const (
	modeMail    mode = 'm' // a message on standard input
	modeSMTP    mode = 's' // SMTP on standard input and output
	modeQueue   mode = 'p' // print the queue
	modeAliases mode = 'i' // rebuild the aliases: there are none
)

// options are what the arguments say.
type options struct {
	mode       mode
	extract    bool    // -t: recipients from the header
	ignoreDots bool    // -i: a line with only a dot is a line
	flush      bool    // -q
	verbose    bool    // -v
	sender     *string // -f or -r
	fullName   string  // -F
	notify     string  // -N, as RFC 3461 has it
	ret        string  // -R
	envelopeID string  // -V
	operands   []string
}

// The options by whether they take an argument, attached or in the next word.
// What is not acted on is what sendmail, Postfix and others know: callers pass
// it, and some of it (-C -O -X) attackers, through the fifth parameter of
// PHP's mail().
const (
	flagOptions     = "tivnmxEGIU"
	attachedOptions = "qd" // an argument only if it is attached
	valueOptions    = "bfrFNRVBoeACDLOXhp"
)

// parseArgs reads the arguments as getopt(3) does, with options after operands
// tolerated and "--" before nothing but operands. name is that of the program.
func parseArgs(name string, args []string) (options, error) {
	o := options{mode: modeMail}
	switch name {
	case "mailq":
		o.mode = modeQueue
	case "newaliases":
		o.mode = modeAliases
	}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if arg == "--" {
			o.operands = append(o.operands, args...)
			break
		}
		if len(arg) < 2 || arg[0] != '-' {
			o.operands = append(o.operands, arg)
			continue
		}
		rest, err := o.bundle(arg[1:], args)
		if err != nil {
			return o, err
		}
		args = rest
	}
	return o, nil
}

// bundle reads one word of options, and gives the words that are left.
func (o *options) bundle(word string, args []string) ([]string, error) {
	for i := range len(word) {
		c, value := word[i], word[i+1:]
		switch {
		case strings.IndexByte(flagOptions, c) >= 0:
			o.flag(c)
			continue
		case strings.IndexByte(attachedOptions, c) >= 0:
			o.flush = o.flush || c == 'q'
			return args, nil
		case strings.IndexByte(valueOptions, c) < 0:
			return nil, failf(exitUsage, "unknown option -%c", c)
		}
		if value == "" {
			if len(args) == 0 {
				return nil, failf(exitUsage, "option -%c needs an argument", c)
			}
			value, args = args[0], args[1:]
		}
		return args, o.value(c, value)
	}
	return args, nil
}

func (o *options) flag(c byte) {
	switch c {
	case 't':
		o.extract = true
	case 'i':
		o.ignoreDots = true
	case 'v':
		o.verbose = true
	case 'I':
		o.mode = modeAliases
	}
}

func (o *options) value(c byte, value string) error {
	switch c {
	case 'b':
		return o.setMode(value)
	case 'f', 'r':
		o.sender = &value
	case 'F':
		if len(value) > 256 || hasControl(value) {
			return failf(exitUsage, "-F: a name has at most 256 octets and no control characters")
		}
		o.fullName = value
	case 'o':
		o.ignoreDots = o.ignoreDots || value == "i"
	case 'N':
		return o.setNotify(value)
	case 'R':
		switch strings.ToLower(value) {
		case "full", "hdrs":
			o.ret = strings.ToUpper(value)
		default:
			return failf(exitUsage, "-R: %q is neither full nor hdrs", value)
		}
	case 'V':
		// RFC 3461 section 4.4; printable, since it is not encoded here.
		if len(value) > 100 || hasControl(value) || !isASCII(value) {
			return failf(exitUsage, "-V: an envelope id has at most 100 printable ASCII characters")
		}
		o.envelopeID = value
	case 'B':
		// The content itself tells what it is.
		switch strings.ToUpper(value) {
		case "7BIT", "8BITMIME", "BINARYMIME":
		default:
			return failf(exitUsage, "-B: %q is neither 7BIT nor 8BITMIME", value)
		}
	}
	return nil
}

func (o *options) setMode(value string) error {
	switch value {
	case "m", "s", "p", "i":
		o.mode = mode(value[0])
		return nil
	}
	return failf(exitUsage, "-b: %q is not a mode of this sendmail: it knows -bm, -bs, -bp and -bi", value)
}

// setNotify reads "never" or a list of success, failure and delay.
func (o *options) setNotify(value string) error {
	words := strings.Split(strings.ToUpper(value), ",")
	for _, w := range words {
		switch {
		case w == "NEVER" && len(words) == 1:
		case w == "SUCCESS", w == "FAILURE", w == "DELAY":
		default:
			return failf(exitUsage, "-N: %q is neither never nor a list of success, failure and delay", value)
		}
	}
	o.notify = strings.Join(words, ",")
	return nil
}
