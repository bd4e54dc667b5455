package diagnose

import "github.com/postilion-mail/postilion/plugin"

const (
	rfc4954 = "https://www.rfc-editor.org/rfc/rfc4954"
	rfc5248 = "https://www.rfc-editor.org/rfc/rfc5248"
	rfc3463 = "https://www.rfc-editor.org/rfc/rfc3463"
	rfc5802 = "https://www.rfc-editor.org/rfc/rfc5802"
	rfc7372 = "https://www.rfc-editor.org/rfc/rfc7372"
	postfix = "https://www.postfix.org/postconf.5.html"
	exim    = "https://www.exim.org/exim-html-current/doc/html/spec_html/ch-access_control_lists.html"
	cpanel  = "https://docs.cpanel.net/knowledge-base/email/how-to-configure-mail-limits/"
)

// attempts are about how often somebody logs in. They stand before what
// mailbox providers say, most of whom answer every failed login alike.
var attempts = []entry{
	{
		code: "auth.too_many_attempts", phases: []plugin.Phase{plugin.PhaseAuth}, replies: []int{421, 454, 450, 451, 535, 550, 554}, says: []string{"too many", "temporarily blocked", "try again later*attempts", "rate limit"}, blame: plugin.BlameLimit,
		title:       "Too many logins or failed ones",
		explanation: "The server lets nobody log in for a while from here, or to this account. The password may well be right.",
		remedies: []string{
			"Wait some time, and do not test in the meantime: every attempt counts.",
			"Look for other programs that log in with an old password.",
		},
		source: rfc4954,
	},
}

// login is about AUTH.
var login = []entry{
	{
		code: "auth.needs_encryption", phases: []plugin.Phase{plugin.PhaseAuth}, ours: []string{"is not encrypted, so the password is not sent"}, needsChange: true, blame: plugin.BlameConnection,
		title:       "The password is not sent without encryption",
		explanation: "The session is in plain text (security {security}), where anybody on the way could read the password. So no login was tried.",
		remedies: []string{
			"Set security to starttls with port 587, or to tls with port 465.",
			"Only if server and network are your own: allow the login without TLS (allow_plain_auth), or set auth to none.",
		},
		source: rfc4954,
	},
	{
		code: "auth.not_offered", phases: []plugin.Phase{plugin.PhaseAuth}, ours: []string{"offers no authentication"}, needsChange: true, blame: plugin.BlameConnection,
		title:       "The server takes no logins on this port",
		explanation: "A user name is configured, but the server offers no login here. Port 25 is often for mail from other servers only.",
		remedies: []string{
			"Use the port for logins: 587 with security starttls, or 465 with security tls.",
			"If the server takes mail from this machine without a login, remove the user name (auth none).",
		},
		source: rfc4954,
	},
	{
		code: "auth.mechanism", phases: []plugin.Phase{plugin.PhaseAuth}, ours: []string{"offers only the mechanisms"}, needsChange: true, blame: plugin.BlameConnection,
		title:       "No common way to log in",
		explanation: "The server offers {auth_mechanisms|other mechanisms}, and this connection may use none of them.",
		remedies: []string{
			"Set the authentication of this connection to auto, or to one of the server's that Postilion knows: plain, login, cram-md5, scram-sha-1, scram-sha-256, xoauth2.",
			"If the server offers XOAUTH2 only, it takes OAuth tokens in place of passwords.",
		},
		source: rfc4954,
	},
	{
		code: "auth.server_unproven", phases: []plugin.Phase{plugin.PhaseAuth}, ours: []string{"did not prove", "invalid server signature", "key of"}, needsChange: true, blame: plugin.BlameServer,
		title:       "The server does not know the password itself",
		explanation: "With SCRAM a server has to prove that it knows the password, and this one could not: it is an impostor, or its software is at fault.",
		remedies: []string{
			"Check that the host is the right one.",
			"Set the authentication to plain (over TLS), and tell the server's operator.",
		},
		source: rfc5802,
	},
	{
		code: "auth.broken_exchange", phases: []plugin.Phase{plugin.PhaseAuth}, ours: []string{"cannot log in"}, needsChange: true, blame: plugin.BlameServer,
		title:       "The login broke off",
		explanation: "The server's part of the exchange was not as the mechanism prescribes.",
		remedies:    []string{"Set the authentication to plain or login (over TLS).", "Tell the server's operator."},
		source:      rfc4954,
	},
	{
		code: "auth.account_locked", phases: []plugin.Phase{plugin.PhaseAuth}, replies: []int{525, 534, 535, 550, 554}, enhanced: []string{"5.7.13"}, either: true,
		says:        []string{"account*disabled", "account*suspended", "account*locked", "user*disabled", "gesperrt", "deaktiviert", "suspendu", "bloqueada", "заблокирован"},
		needsChange: true,
		title:       "The account is locked",
		explanation: "The server knows the account, and lets it log in no more.",
		remedies:    []string{"Log in with a browser to see why; or ask the server's operator to unlock the account."},
		source:      rfc5248,
	},
	{
		code: "auth.password_expired", phases: []plugin.Phase{plugin.PhaseAuth}, replies: []int{432, 534, 535}, enhanced: []string{"4.7.12", "5.7.12"}, says: []string{"password*expired", "passwort*abgelaufen", "password transition"}, either: true, needsChange: true, blame: plugin.BlameAuth,
		title:       "The password has to be changed first",
		explanation: "The server wants a new password, or one login over another way, before this one works.",
		remedies:    []string{"Log in with a browser, change the password, and give the new one here."},
		source:      rfc4954,
	},
	{
		code: "auth.unavailable", phases: []plugin.Phase{plugin.PhaseAuth}, replies: []int{421, 432, 450, 451, 454},
		title:       "The server cannot check the login now",
		explanation: "Its answer is a temporary one: the password may well be right.",
		remedies:    []string{"Wait; it is tried again by itself.", "If it lasts, tell the server's operator: what checks its passwords may be down."},
		source:      rfc4954,
	},
	{
		code: "auth.mechanism_refused", phases: []plugin.Phase{plugin.PhaseAuth}, replies: []int{504, 534, 535, 550, 500, 501, 502, 503}, enhanced: []string{".7.9", ".5.4", ".7.4"}, says: []string{"mechanism", "unrecognized authentication type", "auth type"}, either: true, needsChange: true, blame: plugin.BlameConnection,
		title:       "The server does not take this way to log in",
		explanation: "It refused the mechanism, not the password.",
		remedies:    []string{"Set the authentication of this connection to auto, or to another of those that the server offers: {auth_mechanisms|see the stage ehlo}."},
		source:      rfc4954,
	},
	{
		code: "auth.failed_server_side", phases: []plugin.Phase{plugin.PhaseAuth}, replies: []int{500, 501, 502, 503}, needsChange: true, blame: plugin.BlameServer,
		title:       "The server did not understand the login",
		explanation: "It offers logins, and took ours for a mistake in the protocol: the password was not judged.",
		remedies:    []string{"Set the authentication to login, or to plain: some servers know only one of them well.", "Check port and security; on some servers logins work on 587 only."},
		source:      rfc4954,
	},
	{
		code: "auth.rejected", phases: []plugin.Phase{plugin.PhaseAuth}, replies: []int{530, 534, 535, 538, 550, 552, 553, 554}, needsChange: true,
		title:       "The login was refused",
		explanation: "The server did not accept user name and password.",
		remedies: []string{
			"Check the user name; many providers want the whole mail address.",
			"With two-step login, make an app password at your provider and use that.",
			"Give the password again; blanks before or after it count.",
		},
		source: rfc4954,
	},
}

// envelope is about sender and recipients.
var envelope = []entry{
	{
		code: "auth.required", phases: transaction, blames: []plugin.Blame{plugin.BlameAuth}, needsChange: true,
		title:       "The server wants a login",
		explanation: "It takes mail for other domains only from those who have logged in.",
		remedies:    []string{"Give the user name and password that your provider has issued.", "Check the port: logins are often taken on 587 and 465 only."},
		source:      rfc4954,
	},
	{
		code: "recipient.greylisted", phases: transaction, replies: []int{450, 451, 421}, says: []string{"greylist", "graylist", "grey-list", "gray-list", "greylisting"}, blame: plugin.BlameRecipient,
		title:       "The recipient's server makes strangers wait (greylisting)",
		explanation: "It refuses the first attempt of every new sender, and takes the second one some minutes later.",
		remedies:    []string{"Nothing: it is tried again by itself."},
		source:      "https://www.rfc-editor.org/rfc/rfc6647",
	},
	{
		code: "limit.hosting_hourly", phases: transaction, says: []string{"max emails per hour", "max defers and failures per hour", "emails per hour", "maximum number of emails", "hourly limit"}, needsChange: true, blame: plugin.BlameLimit,
		title:       "The hoster's limit for an hour is reached",
		explanation: "Shared hosting lets a domain send so many messages an hour; more are refused, and some hosters throw them away.",
		remedies: []string{
			"Set the limit per hour of this connection below the hoster's, so that mail waits here instead.",
			"Ask the hoster for a higher limit, or use a sending service.",
		},
		link: cpanel, source: cpanel,
	},
	{
		code: "sender.dmarc", phases: transaction, replies: []int{550, 554, 553, 421, 451}, says: []string{"dmarc"}, needsChange: true, blame: plugin.BlameSender,
		title:       "The DMARC policy of the From domain forbids this mail",
		explanation: "The domain's owner has published that mail in its name has to pass SPF or DKIM, and this one does not. A From address of gmail.com or yahoo.com through another server fails so.",
		remedies: []string{
			"Use a From address in a domain of your own, or send through the provider of the From address.",
			"Set up SPF and DKIM for the From domain as your provider says, and check them: postilion doctor domain DOMAIN",
		},
		source: "https://www.rfc-editor.org/rfc/rfc7489",
	},
	{
		code: "sender.spf", phases: transaction, enhanced: []string{".7.23", ".7.24", ".7.27"}, says: []string{" spf", "spf "}, either: true, needsChange: true, blame: plugin.BlameSender,
		title:       "SPF of the sender's domain does not allow this server",
		explanation: "The domain publishes which servers may send in its name, and the one that sent is none of them.",
		remedies: []string{
			"Add your provider to the SPF record of the sender's domain, as the provider says.",
			"Check it: postilion doctor domain DOMAIN",
		},
		source: rfc7372,
	},
	{
		code: "sender.dkim", phases: transaction, enhanced: []string{".7.20", ".7.21", ".7.22"}, says: []string{"dkim"}, either: true, needsChange: true, blame: plugin.BlameSender,
		title:       "The message is not signed as the receiver wants it (DKIM)",
		explanation: "The signature is missing, does not fit, or is of another domain.",
		remedies: []string{
			"Set up DKIM for the From domain at your provider, and publish the record it names.",
			"Check it: postilion doctor domain DOMAIN",
		},
		source: rfc7372,
	},
	{
		code: "sender.unauthenticated", phases: transaction, enhanced: []string{".7.26"}, needsChange: true, blame: plugin.BlameSender,
		title:       "The sender's domain does not vouch for this mail",
		explanation: "The receiver takes only mail that passes SPF or DKIM, and this one passed neither.",
		remedies:    []string{"Publish the SPF and DKIM records that your provider names.", "Check them: postilion doctor domain DOMAIN"},
		source:      rfc7372,
	},
	{
		code: "sender.not_owned", phases: transaction, replies: []int{550, 551, 553, 554, 501},
		says: []string{"not owned by", "sender address rejected*not logged in", "not allowed to send as", "sender not allowed", "not permitted to send as", "must match", "from address must", "not authorized to use",
			"not authorised to use", "sender address*not*login", "sender mismatch", "absenderadresse", "expéditeur non autoris", "remitente no autorizado", "отправител*не", "发件人"},
		needsChange: true, blame: plugin.BlameSender,
		title:       "The login does not own this sender address",
		explanation: "The server lets {username|this login} send only with its own address, and the sender is another one.",
		remedies: []string{
			"Use the address of the login as sender: let the connection force its From address, and its envelope sender.",
			"Or have the sender address added to the account as an alias.",
		},
		link: "https://www.postfix.org/SASL_README.html#server_sasl_authz_envelope", source: "https://www.postfix.org/postconf.5.html#reject_sender_login_mismatch",
	},
	{
		code: "sender.verify_failed", phases: transaction, says: []string{"sender verify", "sender verification", "callout verification", "could not be verified*sender", "unverified sender", "sender address*undeliverable"}, needsChange: true, blame: plugin.BlameSender,
		title:       "The server doubts that the sender address exists",
		explanation: "It asked the sender's mail server, or its DNS, whether mail can be sent back, and it cannot.",
		remedies: []string{
			"Use a sender address that exists and takes mail; not something like wordpress@ or www-data@ of this server.",
			"Check that the sender's domain has an MX or address record.",
		},
		source: exim,
	},
	{
		code: "recipient.domain_unknown", phases: []plugin.Phase{plugin.PhaseRecipient, plugin.PhaseData, plugin.PhaseContent}, enhanced: []string{".1.2", ".4.4"},
		says:   []string{"domain not found", "no such domain", "domain does not exist", "domain may not exist", "non-existent domain", "unrouteable address", "unroutable", "host not found", "bad destination", "domaine inexistant", "dominio no existe"},
		unless: []string{"sender", ".1.8 ", "relay"}, // Postfix tells of a bad sender at RCPT, too
		either: true, blame: plugin.BlameRecipient,
		title:       "The recipient's domain cannot be found",
		explanation: "The server knows no way to the domain of the address.",
		remedies:    []string{"Check the domain of the address for typing errors."},
		source:      rfc3463,
	},
	{
		code: "sender.domain_unknown", phases: transaction, enhanced: []string{".1.8"}, says: []string{"domain not found", "domain does not exist", "domain must resolve", "domain must exist", "sender*host not found", "no mx*sender", "does not resolve", "non-existent domain", "domaine inexistant", "dominio no existe"}, either: true, needsChange: true, blame: plugin.BlameSender,
		title:       "The domain of the sender address does not exist",
		explanation: "The server looked for the sender's domain in DNS and found nothing that takes mail. A host name such as localhost.localdomain is no such domain.",
		remedies: []string{
			"Use a sender in a domain of your own that exists in DNS.",
			"Let the connection force its From address, and its envelope sender.",
		},
		source: postfix + "#reject_unknown_sender_domain",
	},
	{
		code: "sender.malformed", phases: transaction, blames: []plugin.Blame{plugin.BlameSender}, enhanced: []string{".1.7"}, needsChange: true,
		title:       "The sender address is no valid address",
		explanation: "The server, or Postilion before it, cannot read it as one.",
		remedies:    []string{"Correct the sender address of the connection or of the message."},
		source:      rfc3463,
	},
	{
		code: "relay.denied", phases: transaction, replies: []int{450, 454, 550, 551, 553, 554, 571},
		says:        []string{"relay access", "relaying", "relay denied", "relay not permitted", "to relay", "relay prohibited", "cannot relay", "relay is not", "not permitted to send to", "not local*gateway", "not in my list of allowed", "weiterleit", "relais", "reenvío", "релей", "ретрансляц", "中继", "转发"},
		needsChange: true, blame: plugin.BlameConnection,
		title:       "The server does not pass mail on for this connection",
		explanation: "It takes mail for its own domains only (relaying denied): we are not logged in as it wants, or it is the server for incoming mail.",
		remedies: []string{
			"Give user name and password, on the port for logins: 587 with security starttls, or 465 with security tls.",
			"Check the host: it has to be the server for outgoing mail, not the MX of the recipient.",
			"If it is your own server, allow this machine's address there (Postfix: mynetworks).",
		},
		source: "https://www.postfix.org/SMTPD_ACCESS_README.html",
	},
	{
		code: "sender.refused", phases: transaction, blames: []plugin.Blame{plugin.BlameSender}, replies: []int{450, 451, 501, 550, 551, 553, 554}, needsChange: true,
		title:       "The sender was refused",
		explanation: "The server does not let this login send with this sender address.",
		remedies: []string{
			"Use as sender the address of the login, or one that your provider has confirmed for it.",
			"Let the connection force its own From address.",
		},
		source: rfc5321,
	},
	{
		code: "address.needs_smtputf8", phases: transaction, enhanced: []string{".6.7"}, needsChange: true,
		title:       "The server cannot handle an address with such letters",
		explanation: "The address has letters beyond ASCII before the @, for which a server has to know SMTPUTF8; this one does not.",
		remedies:    []string{"Use an address in ASCII, if its owner has one.", "Or send through a server that knows SMTPUTF8."},
		source:      "https://www.rfc-editor.org/rfc/rfc6531",
	},
	{
		code: "recipient.mailbox_full", phases: transaction, replies: []int{422, 450, 451, 452, 550, 552, 554}, enhanced: []string{".2.2"},
		says:   []string{"mailbox is full", "mailbox full", "over quota", "overquota", "quota exceeded", "exceeded*quota", "out of storage", "postfach*voll", "boîte*pleine", "buzón*lleno", "casella*piena", "переполнен", "邮箱已满", "mailbox*size limit"},
		either: true, blame: plugin.BlameRecipient,
		title:       "The recipient's mailbox is full",
		explanation: "The address exists but has no room.",
		remedies:    []string{"Write to the recipient in another way."},
		source:      rfc3463,
	},
	{
		code: "recipient.disabled", phases: transaction, enhanced: []string{".2.1"}, says: []string{"mailbox*disabled", "account*disabled", "user*disabled", "inactive", "postfach*deaktiviert"}, either: true, blame: plugin.BlameRecipient,
		title:       "The recipient's mailbox takes no mail",
		explanation: "The address exists, but it is switched off or has been given up.",
		remedies:    []string{"Write to the recipient in another way, and take the address off your lists."},
		source:      rfc3463,
	},
	{
		code: "recipient.no_mail_domain", phases: transaction, enhanced: []string{".1.10"}, says: []string{"null mx", "nullmx", "does not accept mail"}, either: true, blame: plugin.BlameRecipient,
		title:       "The recipient's domain takes no mail at all",
		explanation: "Its owner has published so (null MX).",
		remedies:    []string{"Check the domain of the address for typing errors."},
		source:      "https://www.rfc-editor.org/rfc/rfc7505",
	},
	{
		code: "recipient.unknown", phases: []plugin.Phase{plugin.PhaseRecipient, plugin.PhaseData, plugin.PhaseContent}, enhanced: []string{".1.1", ".1.6"},
		says:   []string{"user unknown", "unknown user", "no such user", "does not exist", "no such recipient", "no mailbox", "mailbox unavailable", "unknown recipient", "recipient unknown", "recipient not found", "user not found", "invalid recipient", "unbekannt", "n'existe pas", "no existe", "non esiste", "не существует", "不存在"},
		either: true, replies: []int{450, 511, 550, 551, 553, 554}, blame: plugin.BlameRecipient,
		title:       "There is no such mailbox",
		explanation: "The recipient's server does not know this address.",
		remedies:    []string{"Check the address for typing errors.", "If the address is on a list, take it off: repeated mail to it harms your reputation."},
		source:      rfc3463,
	},
	{
		code: "recipient.malformed", phases: transaction, blames: []plugin.Blame{plugin.BlameRecipient}, enhanced: []string{".1.3"}, needsChange: true,
		title:       "The recipient address is no valid address",
		explanation: "The server cannot read it as one.",
		remedies:    []string{"Correct the address."},
		source:      rfc3463,
	},
	{
		code: "limit.recipients_per_message", phases: transaction, replies: []int{421, 450, 451, 452, 550, 552, 554}, enhanced: []string{".5.3"}, says: []string{"too many recipients"}, either: true, blame: plugin.BlameLimit,
		title:       "Too many recipients at once",
		explanation: "The server takes fewer recipients in one message or within a time.",
		remedies:    []string{"Wait; those that were not taken are tried again by themselves.", "Set the limit of recipients per message of this connection."},
		source:      rfc3463,
	},
	{
		code: "recipient.loop", phases: transaction, enhanced: []string{".4.6", ".4.14"}, says: []string{"mail loop", "routing loop", "loop detected", "loops back", "too many hops", "hop count"}, either: true, needsChange: true, blame: plugin.BlameServer,
		title:       "The mail would go round in a circle",
		explanation: "The servers pass it on to each other without end: a forwarding, or the DNS of the recipient's domain, is wrong.",
		remedies:    []string{"Tell the operator of the recipient's domain.", "Check that the host of this connection is not a server that sends back to here."},
		source:      rfc3463,
	},
	{
		code: "recipient.refused", phases: transaction, blames: []plugin.Blame{plugin.BlameRecipient}, replies: []int{450, 550, 551, 553, 554, 556},
		title:       "The recipient was refused",
		explanation: "The server does not take mail for this address.",
		remedies:    []string{"Check the address for typing errors.", "Read the server's words: they may name another reason."},
		source:      rfc5321,
	},
}

// content is about the message itself.
var content = []entry{
	{
		code: "content.too_large", phases: transaction, enhanced: []string{".3.4", ".2.3"}, says: []string{"too large", "too big", "size limit", "maximum message size", "message size exceeds", "zu groß", "trop grand", "demasiado grande", "слишком больш"}, either: true, needsChange: true, blame: plugin.BlameContent,
		title:       "The message is too large",
		explanation: "It is larger than this server takes. Attachments grow by a third on their way.",
		remedies:    []string{"Send a link instead of the attachment.", "If it is your own server, raise its limit (Postfix: message_size_limit)."},
		source:      "https://www.rfc-editor.org/rfc/rfc1870",
	},
	{
		code: "content.no_room", phases: transaction, replies: []int{552, 523}, blames: []plugin.Blame{plugin.BlameContent}, needsChange: true,
		title:       "There is no room for the message",
		explanation: "It is larger than the server takes, or than what is left of a quota.",
		remedies:    []string{"Send a link instead of the attachment.", "Read the server's words: they may tell size from quota."},
		source:      rfc5321,
	},
	{
		code: "content.virus", phases: transaction, says: []string{"virus", "malware", "trojan", "infected", "clamav"}, needsChange: true, blame: plugin.BlameContent,
		title:       "The server sees a virus in the message",
		explanation: "Its scanner found one, or takes something for one.",
		remedies:    []string{"Scan the attachments, and this site, for malware.", "Send a link instead of the attachment."},
		source:      rfc3463,
	},
	{
		code: "content.attachment_blocked", phases: transaction, says: []string{"attachment", "file type", "anhang"}, replies: []int{550, 552, 554}, needsChange: true, blame: plugin.BlameContent,
		title:       "The server does not take this kind of attachment",
		explanation: "Programs, scripts and encrypted archives are often refused.",
		remedies:    []string{"Put the file on a web server or drive, and send a link."},
		source:      rfc3463,
	},
	{
		code: "content.spam", phases: transaction, replies: []int{450, 451, 421, 550, 552, 554, 571}, says: []string{"spam", "unsolicited", "bulk mail", "junk", "surbl", "uribl", "reputation", "нежелательн", "垃圾"}, needsChange: true, blame: plugin.BlameContent,
		title:       "The server takes this message for spam",
		explanation: "Its content, its links or the reputation of the sender were the reason.",
		remedies: []string{
			"Try a plain text without links to see whether the content is the reason.",
			"Check what the sender's domain publishes: postilion doctor domain DOMAIN",
			"Ask the server's operator, with the server's words.",
		},
		source: rfc5248,
	},
	{
		code: "content.line_too_long", phases: transaction, says: []string{"line too long", "lines too long", "line length", "overlong line", "line limit"}, needsChange: true, blame: plugin.BlameContent,
		title:       "A line of the message is too long",
		explanation: "Mail takes lines of at most 998 octets; raw content that a program handed over has longer ones.",
		remedies:    []string{"Have the program encode the text (quoted-printable or base64), or hand over a structured message."},
		source:      "https://www.rfc-editor.org/rfc/rfc5322#section-2.1.1",
	},
	{
		code: "content.bad_header", phases: transaction, says: []string{"rfc 5322", "rfc5322", "rfc 2822", "missing*header", "header*missing", "headers*invalid", "duplicate header", "multiple*header"}, needsChange: true, blame: plugin.BlameContent,
		title:       "The header of the message is not as it has to be",
		explanation: "A field is missing, stands there twice or cannot be read; the server's words name it.",
		remedies:    []string{"Correct the program that makes the message, or hand over a structured message.", "Check the headers that this connection adds."},
		source:      "https://www.rfc-editor.org/rfc/rfc5322",
	},
	{
		code: "content.seven_bit_only", phases: transaction, enhanced: []string{".6.3", ".6.1"}, needsChange: true, blame: plugin.BlameContent,
		title:       "The server takes 7-bit content only",
		explanation: "The message has 8-bit content that cannot be re-encoded, since it is signed.",
		remedies:    []string{"Send through a server that knows 8BITMIME, or sign after encoding."},
		source:      "https://www.rfc-editor.org/rfc/rfc6152",
	},
	{
		code: "limit.reached", phases: append([]plugin.Phase{plugin.PhaseGreeting, plugin.PhaseHello}, transaction...), blames: []plugin.Blame{plugin.BlameLimit}, replies: []int{421, 450, 451, 452, 454, 550, 552, 554},
		title:       "A sending limit is reached",
		explanation: "So much mail is not taken in so short a time. What waits goes out when the limit allows it.",
		remedies:    []string{"Wait; it is tried again by itself.", "Set the limits of this connection to the provider's, or ask for a higher one."},
		source:      rfc5248,
	},
	{
		code: "limit.sending_quota", phases: transaction, replies: []int{450, 451, 452, 550, 552, 554}, says: []string{"quota", "sending limit", "daily limit", "rate limit", "limit exceeded", "too many messages", "versandlimit"}, blame: plugin.BlameLimit,
		title:       "The sending quota is used up",
		explanation: "The account has sent as much as it may in a certain time.",
		remedies:    []string{"Wait until the period is over.", "Set the limits of this connection to the provider's, so that mail waits here instead of being refused."},
		source:      rfc5248,
	},
	{
		code: "content.refused", phases: []plugin.Phase{plugin.PhaseData, plugin.PhaseContent}, blames: []plugin.Blame{plugin.BlameContent}, replies: []int{550, 554, 571}, needsChange: true,
		title:       "The content was refused",
		explanation: "The server did not like what is in the message; often a filter against spam or viruses decides so.",
		remedies:    []string{"Read the server's words; they often name the rule.", "Try with a plain text and without links."},
		source:      rfc5321,
	},
}

// session is what can happen at every stage.
var session = []entry{
	{
		code: "connection.lost_after_content", phases: []plugin.Phase{plugin.PhaseContent}, blames: []plugin.Blame{plugin.BlameNetwork},
		title:       "The answer got lost",
		explanation: "The message was sent completely, but the connection broke before the server's answer: it may have been accepted or not.",
		remedies:    []string{"Wait; it is tried again after ten minutes. The recipient may get it twice."},
		source:      "https://www.rfc-editor.org/rfc/rfc1047",
	},
	{
		code: "server.storage", phases: transaction, replies: []int{452, 450, 451, 431}, enhanced: []string{".3.1"}, says: []string{"insufficient system storage", "insufficient storage", "disk full", "out of memory"}, either: true, blame: plugin.BlameServer,
		title:       "The server's disk is full",
		explanation: "It has no room for mail at the moment.",
		remedies:    []string{"Wait; it is tried again by itself.", "If it is your own server, make room on its disk."},
		source:      rfc3463,
	},
	{
		code: "protocol.breach", phases: anyStage, ours: []string{"did not answer in smtp", "has over", "is longer than", "mixes the codes", "that does not fit"}, blame: plugin.BlameServer,
		title:       "The server does not keep to the protocol",
		explanation: "What it said is no answer of SMTP, so the session was ended: its software, or a firewall or scanner on the way, is at fault.",
		remedies:    []string{"Look for a virus scanner or firewall on the way that inspects mail, and switch that off.", "Tell the server's operator, with its words."},
		source:      rfc5321,
	},
	{
		code: "network.timeout", phases: anyStage, blames: []plugin.Blame{plugin.BlameNetwork}, ours: []string{"did not answer within"},
		title:       "The server did not answer in time",
		explanation: "The session stood, and then nothing more came back: the server is overloaded, or a firewall swallows what comes.",
		remedies:    []string{"Wait; it is tried again by itself.", "If it happens always at the same stage, a firewall or virus scanner may be in the way."},
		source:      rfc5321,
	},
	{
		code: "network.lost", phases: anyStage, blames: []plugin.Blame{plugin.BlameNetwork}, ours: []string{"closed the connection", "connection reset", "connection broke", "broken pipe"},
		title:       "The connection broke",
		explanation: "The session ended before the server had the message.",
		remedies:    []string{"Wait; it is tried again by itself.", "If it happens always at the same stage, a firewall or virus scanner may be in the way."},
		source:      rfc5321,
	},
	{
		code: "test.stopped", ours: []string{"stopped by us"}, blame: plugin.BlameNone,
		title:       "It was broken off",
		explanation: "Its time was over, or it was stopped, before the server had answered. That says nothing about the settings.",
		remedies:    []string{"Try again, with more time."},
		source:      "docs/smtp.md",
	},
	{
		code: "protocol.sequence", replies: []int{503}, phases: anyStage, blame: plugin.BlameServer,
		title:       "The server says that a step was left out",
		explanation: "It expected another command: it wants a login or encryption first, or a firewall on the way has swallowed a command.",
		remedies:    []string{"Give user name and password, if none are configured.", "Set security to starttls or tls.", "Look for a firewall on the way that inspects SMTP."},
		source:      rfc5321,
	},
	{
		code: "server.closing", replies: []int{421}, phases: anyStage, blame: plugin.BlameServer,
		title:       "The server ends the session",
		explanation: "It shuts down, is overloaded, or has had enough of this session for now.",
		remedies:    []string{"Wait; it is tried again by itself."},
		source:      rfc5321,
	},
	{
		code: "server.trouble", phases: transaction, replies: []int{450, 451, 452}, blames: []plugin.Blame{plugin.BlameServer},
		title:       "The server is in trouble",
		explanation: "It could not take the message for a reason of its own.",
		remedies:    []string{"Wait; it is tried again by itself."},
		source:      rfc5321,
	},
}
