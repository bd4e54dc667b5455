package diagnose

import "github.com/postilion-mail/postilion/plugin"

// table is searched from the top; the first entry that matches is taken. The
// meaning of codes is that of RFC 5321 section 4.2, RFC 4954 section 6 and RFC
// 3463.
var table = []entry{
	{
		code: "settings.invalid", phases: []plugin.Phase{plugin.PhaseOpen}, needsChange: true,
		title:       "The connection's settings cannot be used",
		explanation: "The transport did not take the settings, so nothing was tried.",
		remedies:    []string{"Correct the setting that the message names."},
	},
	{
		code: "dns.failed", phases: []plugin.Phase{plugin.PhaseResolve}, needsChange: true,
		title:       "The server's name was not found",
		explanation: "The name system has no address for this host, or did not answer.",
		remedies: []string{
			"Compare the host name with the one in your provider's instructions, letter by letter.",
			"If it is right, check that this machine can resolve names at all, for example with: getent hosts example.com",
		},
	},
	{
		code: "connect.refused_by_policy", phases: []plugin.Phase{plugin.PhaseConnect}, blames: []plugin.Blame{plugin.BlameConnection}, needsChange: true,
		title:       "This address may not be reached",
		explanation: "The connection was not configured by an administrator, so loopback, private and metadata addresses and ports that are not for mail are closed to it.",
		remedies:    []string{"Ask the administrator to configure the connection, or to open the range with allow_destinations."},
	},
	{
		code: "connect.failed", phases: []plugin.Phase{plugin.PhaseConnect},
		title:       "The server could not be reached",
		explanation: "No connection came about: the port is wrong, a firewall is in the way, or the server is down. Many hosters block outgoing mail ports.",
		remedies: []string{
			"Check host and port against your provider's instructions; usual are 465 with implicit TLS and 587 with STARTTLS.",
			"Ask your hoster whether outgoing connections to this port are blocked.",
			"If your provider offers port 2525, try it.",
		},
	},
	{
		code: "greeting.missing", phases: []plugin.Phase{plugin.PhaseGreeting}, blames: []plugin.Blame{plugin.BlameNetwork},
		title:       "The server did not greet",
		explanation: "The connection came about but no SMTP greeting followed. That is so when a port for implicit TLS is used without it, when something other than a mail server listens, or when a firewall swallows the session.",
		remedies: []string{
			"With port 465 choose implicit TLS, with port 587 choose STARTTLS.",
			"Check that the port belongs to the mail server.",
		},
	},
	{
		code: "greeting.refused", phases: []plugin.Phase{plugin.PhaseGreeting, plugin.PhaseHello},
		title:       "The server did not want to talk to us",
		explanation: "It answered the connection with a refusal, often for the address of this machine or for too many connections.",
		remedies:    []string{"Read the server's words below; ask its operator if they do not say enough."},
	},
	{
		code: "starttls.missing", phases: []plugin.Phase{plugin.PhaseStartTLS}, needsChange: true,
		title:       "The server offers no encryption here",
		explanation: "STARTTLS is required but the server did not offer it or refused it. Somebody on the way may have removed the offer.",
		remedies: []string{
			"If your provider names port 465, use it with implicit TLS.",
			"Only if server and network are your own: choose security none.",
		},
	},
	{
		code: "tls.failed", phases: []plugin.Phase{plugin.PhaseTLS}, needsChange: true,
		title:       "No secure session with this server",
		explanation: "The TLS handshake failed, or the server's certificate could not be verified. Nothing was sent, the password neither.",
		remedies: []string{
			"Use the host name for which the certificate was issued, as your provider gives it.",
			"Check security and port: 465 is for implicit TLS, 587 for STARTTLS.",
			"If the server has a certificate of its own authority, add that authority to the connection.",
		},
	},
	{
		code: "auth.required", phases: []plugin.Phase{plugin.PhaseMail, plugin.PhaseRecipient, plugin.PhaseData}, blames: []plugin.Blame{plugin.BlameAuth}, needsChange: true,
		title:       "The server wants a login",
		explanation: "It takes mail for other domains only from those who have logged in.",
		remedies:    []string{"Give the user name and password that your provider has issued."},
	},
	{
		code: "auth.unavailable", phases: []plugin.Phase{plugin.PhaseAuth}, codes: []int{432, 451, 454, 421},
		title:       "The server cannot check the login now",
		explanation: "Its answer is a temporary one: the password may well be right.",
		remedies:    []string{"Wait; it is tried again by itself."},
	},
	{
		code: "auth.mechanism", phases: []plugin.Phase{plugin.PhaseAuth}, blames: []plugin.Blame{plugin.BlameConnection}, needsChange: true,
		title:       "No common way to log in",
		explanation: "The server offers none of the login mechanisms that this connection may use.",
		remedies:    []string{"Set the authentication to auto, or to one of the mechanisms that the server lists under ehlo."},
	},
	{
		code: "auth.rejected", phases: []plugin.Phase{plugin.PhaseAuth}, needsChange: true,
		title:       "The login was refused",
		explanation: "The server did not accept user name and password.",
		remedies: []string{
			"Check the user name; many providers want the whole mail address.",
			"With two-step login, make an app password at your provider and use that.",
			"Give the password again; blanks before or after it count.",
		},
	},
	{
		code: "sender.refused", phases: []plugin.Phase{plugin.PhaseMail, plugin.PhaseRecipient, plugin.PhaseData, plugin.PhaseContent}, blames: []plugin.Blame{plugin.BlameSender}, needsChange: true,
		title:       "The sender was refused",
		explanation: "The server does not let this login send with this sender address.",
		remedies: []string{
			"Use as sender the address of the login, or one that your provider has confirmed for it.",
			"Let the connection force its own From address.",
		},
	},
	{
		code: "recipient.mailbox_full", blames: []plugin.Blame{plugin.BlameRecipient}, enhanced: []string{".2.2"},
		title:       "The recipient's mailbox is full",
		explanation: "The address exists but has no room.",
		remedies:    []string{"Write to the recipient in another way."},
	},
	{
		code: "recipient.refused", blames: []plugin.Blame{plugin.BlameRecipient},
		title:       "The recipient was refused",
		explanation: "The server does not take mail for this address.",
		remedies:    []string{"Check the address for typing errors."},
	},
	{
		code: "content.too_large", blames: []plugin.Blame{plugin.BlameContent}, enhanced: []string{".3.4"}, needsChange: true,
		title:       "The message is too large",
		explanation: "It is larger than this server takes.",
		remedies:    []string{"Send a link instead of the attachment."},
	},
	{
		code: "content.refused", blames: []plugin.Blame{plugin.BlameContent}, needsChange: true,
		title:       "The content was refused",
		explanation: "The server did not like what is in the message; often a filter against spam or viruses decides so.",
		remedies:    []string{"Read the server's words; they often name the rule.", "Try with a plain text and without links."},
	},
	{
		code: "limit.reached", blames: []plugin.Blame{plugin.BlameLimit},
		title:       "A sending limit is reached",
		explanation: "So much mail is not taken in so short a time. What waits goes out when the limit allows it.",
		remedies:    []string{"Wait; it is tried again by itself.", "If it happens often, ask the provider for a higher limit."},
	},
	{
		code: "connection.lost_after_content", phases: []plugin.Phase{plugin.PhaseContent}, blames: []plugin.Blame{plugin.BlameNetwork},
		title:       "The answer got lost",
		explanation: "The message was sent completely, but the connection broke before the server's answer: it may have been accepted or not.",
		remedies:    []string{"Wait; it is tried again after ten minutes. The recipient may get it twice."},
	},
	{
		code: "network.lost", blames: []plugin.Blame{plugin.BlameNetwork},
		title:       "The connection broke",
		explanation: "The session ended before the server had the message.",
		remedies:    []string{"Wait; it is tried again by itself.", "If it happens always at the same stage, a firewall or virus scanner may be in the way."},
	},
	{
		code: "server.trouble", blames: []plugin.Blame{plugin.BlameServer},
		title:       "The server is in trouble",
		explanation: "It could not take the message for a reason of its own.",
		remedies:    []string{"Wait; it is tried again by itself."},
	},
}
