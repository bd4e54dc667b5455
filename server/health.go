package server

import (
	"crypto/x509"

	"github.com/postilion-mail/postilion/internal/clock"
	"github.com/postilion-mail/postilion/internal/config"
	"github.com/postilion-mail/postilion/server/internal/health"
)

// examiner knows where GetHealth is to look.
func (d *daemon) examiner(now *clock.Clock) *health.Examiner {
	return &health.Examiner{
		Version: d.options.Version, Started: d.started, Store: d.store, Clock: now, Registry: d.registry,
		Alarms: d.dispatcher.Alarms, Probes: d.probes, Plugins: d.plugins.List, SendsNothing: d.sendsNothing,
		Directories: map[string]string{"data_dir": d.cfg.DataDir, "maildrop_dir": d.cfg.MaildropDir},
		MinFree:     d.minFree(), Sockets: d.sockets, EveryUser: d.cfg.LocalUsers == config.LocalUsersAllow,
		Certificate: func() *x509.Certificate { return d.served }, CertificateFile: d.cfg.TLSCertFile,
	}
}

// sockets are those that are listened on.
func (d *daemon) sockets() []health.Socket {
	return []health.Socket{{Path: d.addresses.AdminSocket, Admin: true}, {Path: d.addresses.GRPCSocket}, {Path: d.addresses.HTTPSocket}}
}

// minFree is how many octets of disk have to be free for mail to be accepted.
func (d *daemon) minFree() int64 { return d.cfg.MaxMessageSize * 3 / 2 }
