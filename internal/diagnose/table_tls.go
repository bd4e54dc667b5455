package diagnose

import "github.com/postilion-mail/postilion/plugin"

// securing is about STARTTLS, the handshake and the certificate. The faults of
// certificates are told by our own words, which internal/smtp keeps stable.
var securing = []entry{
	{
		code: "starttls.stripped", phases: []plugin.Phase{plugin.PhaseStartTLS}, facts: []string{"masked=yes"}, needsChange: true, blame: plugin.BlameNetwork,
		title:       "A firewall on the way hides the encryption",
		explanation: "The server's words are overwritten with X or *, as a Cisco firewall that inspects SMTP does it. So STARTTLS is not offered any more.",
		remedies: []string{
			"Have the inspection of SMTP switched off on that firewall (no inspect esmtp), or allow TLS in it.",
			"Or use port 465 with security tls, which it cannot look into.",
		},
		link: asa, source: asa,
	},
	{
		code: "starttls.missing", phases: []plugin.Phase{plugin.PhaseStartTLS}, ours: []string{"does not offer starttls"}, needsChange: true,
		title:       "The server offers no encryption on this port",
		explanation: "Security {security} needs STARTTLS, and the server did not offer it. Somebody on the way may have removed the offer.",
		remedies: []string{
			"Use port 465 with security tls, or 587 with security starttls, as your provider names it.",
			"If it is your own server, give it a certificate and switch TLS on.",
			"Only if server and network are your own, too: choose security none.",
		},
		source: rfc3207,
	},
	{
		code: "starttls.tampered", phases: []plugin.Phase{plugin.PhaseStartTLS}, ours: []string{"data before tls"}, needsChange: true, blame: plugin.BlameNetwork,
		title:       "Somebody is tampering with the connection",
		explanation: "Before the encryption began, words were put behind the server's, to be taken for its own later. The session was ended; nothing was sent.",
		remedies: []string{
			"Use port 465 with security tls, where nothing can be put in.",
			"Test from another network; if it happens there, too, the server's software is at fault: tell its operator.",
		},
		link: "https://www.rfc-editor.org/rfc/rfc3207#section-6", source: rfc3207,
	},
	{
		code: "starttls.unavailable", phases: []plugin.Phase{plugin.PhaseStartTLS}, replies: []int{454, 451, 421},
		title:       "The server cannot encrypt at the moment",
		explanation: "It offers STARTTLS and says that it does not work now; often its certificate or key cannot be read.",
		remedies: []string{
			"Try again later, or use port 465 with security tls.",
			"If it is your own server, look into its log: certificate and key are probably at fault.",
		},
		source: rfc3207,
	},
	{
		code: "starttls.refused", phases: []plugin.Phase{plugin.PhaseStartTLS}, replies: []int{500, 501, 502, 503, 504, 530, 550, 554}, needsChange: true,
		title:       "The server refuses to encrypt",
		explanation: "It offers STARTTLS, or somebody on the way does so in its name, and then does not do it.",
		remedies: []string{
			"Use port 465 with security tls.",
			"If it is your own server, give it a certificate and switch TLS on.",
		},
		source: rfc3207,
	},
	{
		code: "starttls.required", replies: []int{530, 523, 538, 550, 554, 451}, enhanced: []string{".7.10", ".7.11"},
		says: []string{"starttls", "must issue a tls", "encryption required", "tls required", "requires encryption"}, either: true,
		phases: append([]plugin.Phase{plugin.PhaseAuth}, transaction...), needsChange: true, blame: plugin.BlameConnection,
		title:       "The server wants encryption first",
		explanation: "Security {security} is set, and this server takes neither login nor mail without TLS.",
		remedies:    []string{"Set the security of this connection to starttls, or to tls with port 465."},
		source:      rfc3207,
	},
	{
		code: "tls.expired", phases: []plugin.Phase{plugin.PhaseTLS}, ours: []string{"certificate expired on"}, needsChange: true,
		title:       "The server's certificate has expired",
		explanation: "It was valid until {certificate_expires|a date that is over}. Nothing was sent, not even the password.",
		remedies: []string{
			"Tell the server's operator to renew the certificate; if the server is yours, check why renewal failed, and restart the mail service after it.",
			"Check the clock of this machine: date",
		},
		source: rfc5280,
	},
	{
		code: "tls.not_yet_valid", phases: []plugin.Phase{plugin.PhaseTLS}, ours: []string{"is not valid before"}, needsChange: true,
		title:       "The server's certificate is not valid yet",
		explanation: "Its time begins in the future. Most often the clock of this machine is slow.",
		remedies: []string{
			"Check the clock of this machine: date",
			"If it is right, tell the server's operator.",
		},
		source: rfc5280,
	},
	{
		code: "tls.wrong_name", phases: []plugin.Phase{plugin.PhaseTLS}, ours: []string{"certificate is not for"}, needsChange: true,
		title:       "The certificate is for another name",
		explanation: "It is for {certificate_names|other names}, not for {host|this host}. With shared hosting that is usual: the server has a name of the hoster. Nothing was sent, not even the password.",
		remedies: []string{
			"Set the host to a name of the certificate: {certificate_names|see the server's certificate}.",
			"Or have the operator add {host|this host} to the certificate.",
		},
		source: rfc7817,
	},
	{
		code: "tls.self_signed", phases: []plugin.Phase{plugin.PhaseTLS}, ours: []string{"is signed by itself"}, needsChange: true,
		title:       "The server's certificate is self-signed",
		explanation: "Nobody vouches for it, so it cannot be told from that of an impostor. Nothing was sent, not even the password.",
		remedies: []string{
			"If the server is yours, get a certificate from a public authority, for example Let's Encrypt.",
			"Or give this very certificate as CA certificate of this connection, after comparing it with the one on the server.",
		},
		source: rfc5280,
	},
	{
		code: "tls.missing_intermediate", phases: []plugin.Phase{plugin.PhaseTLS}, ours: []string{"does not send the intermediate"}, needsChange: true,
		title:       "The server leaves out a part of its certificate chain",
		explanation: "It sends its own certificate alone, without the one between it and the authority {certificate_issuer|that issued it}; so it cannot be verified. Browsers often fetch the missing part and hide the mistake.",
		remedies: []string{
			"Tell the operator to install the whole chain (fullchain.pem in place of cert.pem).",
			"If a private authority issued it, give that authority as CA certificate of this connection.",
		},
		source: rfc8446,
	},
	{
		code: "tls.unknown_authority", phases: []plugin.Phase{plugin.PhaseTLS}, ours: []string{"authority that is not trusted"}, needsChange: true,
		title:       "The authority behind the certificate is not trusted here",
		explanation: "The certificate was issued by {certificate_issuer|an authority} that this machine does not know. Nothing was sent, not even the password.",
		remedies: []string{
			"If it is your company's authority, give its certificate as CA certificate of this connection.",
			"Update the CA certificates of this machine (package ca-certificates).",
			"Check for a firewall or virus scanner that puts its own certificate in place.",
		},
		source: rfc5280,
	},
	{
		code: "tls.weak_key", phases: []plugin.Phase{plugin.PhaseTLS}, ours: []string{"shorter than 2048"}, needsChange: true,
		title:       "The key of the server's certificate is too short",
		explanation: "RSA keys of less than 2048 bits can be broken.",
		remedies:    []string{"Tell the server's operator to get a certificate with a new key."},
		source:      "https://cabforum.org/working-groups/server/baseline-requirements/",
	},
	{
		code: "tls.insecure_signature", phases: []plugin.Phase{plugin.PhaseTLS}, ours: []string{"no longer safe"}, needsChange: true,
		title:       "The certificate is signed in an unsafe way",
		explanation: "MD5 and SHA-1 signatures can be forged.",
		remedies:    []string{"Tell the server's operator to get a new certificate."},
		source:      "https://www.rfc-editor.org/rfc/rfc9155",
	},
	{
		code: "tls.pin_mismatch", phases: []plugin.Phase{plugin.PhaseTLS}, ours: []string{"is not the pinned one"}, needsChange: true,
		title:       "The server's key is not the pinned one",
		explanation: "The connection is bound to one public key, and the server has another: it was renewed, or somebody else answers.",
		remedies: []string{
			"Ask the server's operator whether the key was changed.",
			"If so, set the pin to the new key's, which the operator can tell you.",
		},
		source: "https://www.rfc-editor.org/rfc/rfc7469",
	},
	{
		code: "tls.version", phases: []plugin.Phase{plugin.PhaseTLS}, ours: []string{"protocol version"}, needsChange: true,
		title:       "The server's TLS is too old",
		explanation: "It speaks no TLS as new as this connection demands (1.2 unless set otherwise). TLS 1.0 and 1.1 are broken.",
		remedies: []string{
			"Tell the server's operator to switch on TLS 1.2 or newer.",
			"Only in a network that you trust, and until then: lower the minimum TLS version of this connection.",
		},
		source: "https://www.rfc-editor.org/rfc/rfc8996",
	},
	{
		code: "tls.client_certificate", phases: []plugin.Phase{plugin.PhaseTLS, plugin.PhaseHello, plugin.PhaseGreeting}, ours: []string{"certificate required", "remote error: tls: bad certificate", "remote error: tls: unknown certificate authority", "remote error: tls: unsupported certificate"}, needsChange: true,
		title:       "The server wants a client certificate, or another one",
		explanation: "It lets in only clients that show a certificate that it trusts.",
		remedies: []string{
			"Give the client certificate and its key that the server's operator has issued.",
			"Or use the port for logins with a password, often 587 with security starttls.",
		},
		source: rfc8446,
	},
	{
		code: "tls.no_shared_cipher", phases: []plugin.Phase{plugin.PhaseTLS}, ours: []string{"handshake failure", "insufficient security", "no cipher suite"}, needsChange: true,
		title:       "Server and Postilion have no cipher in common",
		explanation: "The server offers only ciphers that are unsafe or very rare, has no certificate that fits, or wants one of the client.",
		remedies: []string{
			"Tell the server's operator to switch on ciphers with ECDHE and AES-GCM, and to check the certificate.",
			"If the operator has issued a client certificate, give it and its key.",
		},
		source: rfc8446,
	},
	{
		code: "tls.unknown_name", phases: []plugin.Phase{plugin.PhaseTLS}, ours: []string{"unrecognized name"}, needsChange: true,
		title:       "The server does not know the name {host|that we asked for}",
		explanation: "It has no certificate for this name.",
		remedies:    []string{"Set the host to the name that your provider gives for outgoing mail."},
		source:      "https://www.rfc-editor.org/rfc/rfc6066",
	},
	{
		code: "tls.not_tls", phases: []plugin.Phase{plugin.PhaseTLS}, ours: []string{"does not speak tls here"}, needsChange: true,
		title:       "The server does not speak TLS on this port",
		explanation: "What came in place of the handshake was no TLS.",
		remedies: []string{
			"Check port and security: 465 is for tls, 587 and 25 are for starttls.",
		},
		source: rfc8314,
	},
	{
		code: "tls.closed", phases: []plugin.Phase{plugin.PhaseTLS}, ours: []string{"closed the connection", "connection reset", "connection broke"}, blame: plugin.BlameNetwork,
		title:       "The server hung up during the handshake",
		explanation: "It, or a firewall on the way, ended the connection when encryption began; or this port does not take TLS from the start.",
		remedies: []string{
			"Check port and security: 465 is for tls, 587 and 25 are for starttls.",
			"Test from another network to tell the server from the way to it.",
		},
		source: rfc8446,
	},
	{
		code: "tls.silent", phases: []plugin.Phase{plugin.PhaseTLS}, ours: []string{"did not answer within"}, blame: plugin.BlameNetwork,
		title:       "Nothing comes back when encryption begins",
		explanation: "The server did not answer the handshake: this port does not take TLS from the start, or a firewall on the way swallows it.",
		remedies: []string{
			"Check port and security: 465 is for tls, 587 and 25 are for starttls.",
			"Test from another network to tell the server from the way to it.",
		},
		source: rfc8446,
	},
	{
		code: "tls.failed", phases: []plugin.Phase{plugin.PhaseTLS}, ours: []string{"handshake failed", "is not valid"}, needsChange: true,
		title:       "No secure session with this server",
		explanation: "The TLS handshake failed, or the server's certificate could not be verified. Nothing was sent, not even the password.",
		remedies: []string{
			"Use the host name for which the certificate was issued, as your provider gives it.",
			"Check port and security: 465 is for tls, 587 and 25 are for starttls.",
		},
		source: rfc8446,
	},
}
