package main

import (
	"slices"
	"testing"
)

func TestSendmailArgs(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ args, want []string }{
		{[]string{"/usr/sbin/sendmail", "-t"}, []string{"/usr/sbin/sendmail", "-t"}},
		{[]string{"mailq"}, []string{"mailq"}},
		{[]string{"newaliases"}, []string{"newaliases"}},
		{[]string{"postilion", "sendmail", "-t", "-i"}, []string{"sendmail", "-t", "-i"}},
		{[]string{"postilion", "send"}, nil},
		{[]string{"postilion"}, nil},
		{nil, nil},
	} {
		got, ok := sendmailArgs(test.args)
		if ok != (test.want != nil) || !slices.Equal(got, test.want) {
			t.Errorf("%q: %q, %v", test.args, got, ok)
		}
	}
}
