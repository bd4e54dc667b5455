package diagnose

import "github.com/postilion-mail/postilion/plugin"

const (
	rfc5321 = "https://www.rfc-editor.org/rfc/rfc5321"
	rfc3207 = "https://www.rfc-editor.org/rfc/rfc3207"
	rfc8314 = "https://www.rfc-editor.org/rfc/rfc8314"
	rfc5280 = "https://www.rfc-editor.org/rfc/rfc5280"
	rfc8446 = "https://www.rfc-editor.org/rfc/rfc8446"
	rfc1035 = "https://www.rfc-editor.org/rfc/rfc1035"
	rfc1122 = "https://www.rfc-editor.org/rfc/rfc1122"
	rfc7817 = "https://www.rfc-editor.org/rfc/rfc7817"
	iana    = "https://www.iana.org/assignments/smtp-enhanced-status-codes/"
	asa     = "https://www.cisco.com/c/en/us/support/docs/security/asa-5500-x-series-next-generation-firewalls/118550-qa-esmtp-00.html"
)

var anyStage = []plugin.Phase{
	plugin.PhaseGreeting, plugin.PhaseHello, plugin.PhaseStartTLS, plugin.PhaseTLS, plugin.PhaseAuth,
	plugin.PhaseMail, plugin.PhaseRecipient, plugin.PhaseData, plugin.PhaseContent,
}

// beginning are the stages in which it shows what listens on a port.
var beginning = []plugin.Phase{plugin.PhaseGreeting, plugin.PhaseHello, plugin.PhaseTLS}

// impostors are cases in which it is not the server that answers, and those of
// tokens, about which a provider's words on passwords mislead.
var impostors = []entry{
	{
		code: "port.captive_portal", phases: beginning, facts: []string{"known_provider=yes", "service=http", "service=https"}, needsChange: true, blame: plugin.BlameNetwork,
		title:       "A web page answers in place of {host|the server}",
		explanation: "This network redirects connections to a page of its own, as the login pages of hotels and the filters of companies do.",
		remedies:    []string{"Open a web page with a browser in this network, and log in or accept its terms.", "Ask who runs the network to let connections to {host|the server} port {port} through."},
		source:      "https://www.rfc-editor.org/rfc/rfc8952",
	},
	{
		code: "tls.scanner_intercepts", phases: []plugin.Phase{plugin.PhaseTLS}, facts: []string{"scanner=*"}, needsChange: true,
		title:       "A virus scanner or firewall takes the encryption apart",
		explanation: "The certificate is not the server's: {scanner|the scanner} on the way has put its own in the place, to read along. Nothing was sent, not even the password.",
		remedies: []string{
			"Switch off the scanning of outgoing mail (mail shield, SSL inspection) in {scanner|the scanner}, at least for {host|the server} port {port}.",
			"If reading along is intended, give the scanner's root certificate as CA certificate of this connection.",
		},
		source: "https://support.avast.com/en-us/article/troubleshoot-mail-shield-invalid-certificate/",
	},
	{
		code: "tls.intercepted", phases: []plugin.Phase{plugin.PhaseTLS}, facts: []string{"known_provider=yes", "certificate_fault=wrong_name"}, needsChange: true,
		title:       "Somebody else answers in place of {host|the server}",
		explanation: "The certificate is for {certificate_names|another name}. A hoster or network that redirects mail ports to a server of its own looks like this. Nothing was sent, not even the password.",
		remedies: []string{
			"Ask your hoster whether it redirects outgoing mail, and to stop that; many have a switch for it (cPanel: SMTP Restrictions).",
			"Try port 2525, 465 or 587, whichever of them is not in use here: often only one port is redirected.",
		},
		link: "https://docs.cpanel.net/whm/security-center/smtp-restrictions/", source: "https://docs.cpanel.net/whm/security-center/smtp-restrictions/",
	},
	{
		code: "connect.intercepted", phases: anyStage, facts: []string{"intercepted=yes"}, needsChange: true, blame: plugin.BlameNetwork,
		title:       "Somebody else answers in place of {host|the server}",
		explanation: "The server that answered introduced itself as another one. A hoster or network that redirects mail ports to a server of its own looks like this, and a login for {host|the server} is unknown there.",
		remedies: []string{
			"Ask your hoster whether it redirects outgoing mail, and to stop that; many have a switch for it (cPanel: SMTP Restrictions).",
			"Try port 2525, 465 or 587, whichever of them is not in use here: often only one port is redirected.",
			"Require encryption (security tls or starttls), so that no stranger gets the password.",
		},
		link: "https://docs.cpanel.net/whm/security-center/smtp-restrictions/", source: "https://docs.cpanel.net/whm/security-center/smtp-restrictions/",
	},
	{
		code: "auth.token_rejected", phases: []plugin.Phase{plugin.PhaseAuth}, replies: []int{535, 334, 501}, enhanced: []string{".7.8", ".7.3", ".7.1", ".7.0"}, facts: []string{"auth=xoauth2"}, needsChange: true,
		title:       "The server does not accept the OAuth token",
		explanation: "The access token has expired, is for another user, or was not made for SMTP.",
		remedies: []string{
			"Get a new access token; they are valid for about an hour.",
			"Check that it is for the user name {username|of this connection} and has the scope for SMTP (Google: https://mail.google.com/, Microsoft: SMTP.Send).",
			"If the consent was withdrawn, or the password changed, give the consent anew.",
		},
		link: "https://developers.google.com/workspace/gmail/imap/xoauth2-protocol", source: "https://developers.google.com/workspace/gmail/imap/xoauth2-protocol",
	},
}

// reaching is what happens before the server has said anything.
var reaching = []entry{
	{
		code: "settings.invalid", phases: []plugin.Phase{plugin.PhaseOpen}, needsChange: true,
		title:       "The connection's settings cannot be used",
		explanation: "The transport did not take the settings, so nothing was tried.",
		remedies:    []string{"Correct the setting that the message names."},
		source:      "docs/configuration.md",
	},
	{
		code: "dns.no_address", phases: []plugin.Phase{plugin.PhaseResolve}, facts: []string{"dns=no_address"}, needsChange: true,
		title:       "{host|the server} has no address",
		explanation: "The name exists, but no server stands under it. Often it is the domain of the mail addresses, while the mail server has a name of its own.",
		remedies: []string{
			"Take the name of the outgoing mail server from your provider's instructions; often it is smtp. or mail. before the domain.",
			"Let Postilion look for it: postilion discover ADDRESS",
		},
		source: rfc1035,
	},
	{
		code: "dns.not_found", phases: []plugin.Phase{plugin.PhaseResolve}, ours: []string{"does not exist in dns"}, needsChange: true,
		title:       "There is no host of the name {host|that is configured}",
		explanation: "The name system knows no such name: it is misspelt, or it was given up.",
		remedies: []string{
			"Compare the host name with the one in your provider's instructions, letter by letter.",
			"Let Postilion look for the server: postilion discover ADDRESS",
		},
		source: rfc1035,
	},
	{
		code: "dns.timeout", phases: []plugin.Phase{plugin.PhaseResolve}, ours: []string{"dns did not answer"},
		title:       "The name system does not answer",
		explanation: "This machine asked its DNS server for {host|the host} and got no answer in time. The host name may well be right.",
		remedies: []string{
			"Check the network of this machine, and that it may ask its DNS server: getent hosts {host|HOST}",
			"In a container, check its DNS settings (/etc/resolv.conf).",
		},
		source: rfc1035,
	},
	{
		code: "dns.server_failure", phases: []plugin.Phase{plugin.PhaseResolve}, ours: []string{"cannot look up"},
		title:       "The name system cannot tell the address of {host|the host}",
		explanation: "The DNS server answered with a failure of its own, or refused. That is trouble of this machine's DNS server, or of the domain's.",
		remedies: []string{
			"Try again in some minutes.",
			"Check that this machine can resolve other names: getent hosts example.com",
			"If only this name fails, tell the operator of its domain; DNSSEC may be broken there.",
		},
		source: rfc1035,
	},
	{
		code: "dns.failed", phases: []plugin.Phase{plugin.PhaseResolve},
		title:       "The address of {host|the server} could not be found out",
		explanation: "The name system gave no address for this host.",
		remedies: []string{
			"Compare the host name with the one in your provider's instructions, letter by letter.",
			"Check that this machine can resolve names at all: getent hosts example.com",
		},
		source: rfc1035,
	},
	{
		code: "connect.refused_by_policy", phases: []plugin.Phase{plugin.PhaseConnect}, blames: []plugin.Blame{plugin.BlameConnection}, needsChange: true,
		title:       "This address may not be reached",
		explanation: "The connection was not configured by an administrator, so loopback, private and metadata addresses and ports that are not for mail are closed to it.",
		remedies:    []string{"Ask the administrator to configure the connection, or to open the range with allow_destinations."},
		source:      "docs/configuration.md",
	},
	{
		code: "connect.forbidden_here", phases: []plugin.Phase{plugin.PhaseConnect}, ours: []string{"permission denied", "operation not permitted"}, needsChange: true, blame: plugin.BlameNetwork,
		title:       "This machine forbids the connection",
		explanation: "Its own firewall or a rule such as SELinux's does not let the daemon out; the server was not asked.",
		remedies: []string{
			"Check the rules for outgoing connections of this machine (nftables, iptables, ufw, CSF's SMTP_BLOCK).",
			"Check SELinux and AppArmor, and the limits in the daemon's service unit (IPAddressDeny).",
		},
		source: "https://man7.org/linux/man-pages/man2/connect.2.html",
	},
	{
		code: "connect.port_closed", phases: []plugin.Phase{plugin.PhaseConnect}, facts: []string{"connect=refused", "ports_open=*"}, needsChange: true, blame: plugin.BlameConnection,
		title:       "The server does not listen on port {port}",
		explanation: "It refuses connections to this port, but takes them on {ports_open|others}.",
		remedies:    []string{"Use one of the ports {ports_open|others}: 465 with security tls, 587, 2525 and 25 with security starttls."},
		source:      rfc8314,
	},
	{
		code: "connect.port_blocked", phases: []plugin.Phase{plugin.PhaseConnect}, facts: []string{"connect=timeout", "connect=unreachable", "ports_open=*"}, needsChange: true, blame: plugin.BlameNetwork,
		title:       "Port {port} is blocked on the way to the server",
		explanation: "The server answers on {ports_open|others}, but nothing comes back from {port}. Hosters and networks block outgoing mail ports like this, above all 25.",
		remedies: []string{
			"Use one of the ports {ports_open|others}: 465 with security tls, 587 and 2525 with security starttls.",
			"Or ask your hoster to open outgoing connections to port {port}.",
		},
		source: "https://www.m3aawg.org/sites/default/files/document/MAAWG_Port25rec0511.pdf",
	},
	{
		code: "connect.blocked_by_hoster", phases: []plugin.Phase{plugin.PhaseConnect}, facts: []string{"known_provider=yes", "connect=timeout", "connect=refused", "connect=unreachable"}, needsChange: true, blame: plugin.BlameNetwork,
		title:       "Outgoing mail is blocked from this server",
		explanation: "{host|the server} is known to take connections, and none of the ports 25, 465, 587 and 2525 of it can be reached from here. A firewall of the hoster or of this machine stands between.",
		remedies: []string{
			"Ask your hoster to open outgoing connections to port {port} of {host|the server}; some do so on request, some only in paid plans.",
			"Check the firewall of this machine (ufw, nftables, CSF, security group).",
			"Use the hoster's own mail server, or a provider that can be reached on another port.",
		},
		source: "https://docs.digitalocean.com/support/why-is-smtp-blocked/",
	},
	{
		code: "connect.no_mail_server", phases: []plugin.Phase{plugin.PhaseConnect}, facts: []string{"connect=refused"}, needsChange: true, blame: plugin.BlameConnection,
		title:       "No mail server listens there",
		explanation: "The machine {host|the server} answers, but refuses connections to port {port} and to the other ports of mail.",
		remedies: []string{
			"Compare the host name with the one in your provider's instructions; the web server's name is often not the mail server's.",
			"If it is your own server, check that its mail service runs and listens on more than 127.0.0.1.",
		},
		source: rfc1122,
	},
	{
		code: "connect.port_25_blocked", phases: []plugin.Phase{plugin.PhaseConnect}, facts: []string{"connect=timeout", "port=25"}, needsChange: true, blame: plugin.BlameNetwork,
		title:       "Nothing comes back from port 25",
		explanation: "Most hosters and networks block outgoing connections to port 25; programs that send by a login use others.",
		remedies: []string{
			"Use port 465 with security tls, or 587 with security starttls.",
			"Check the host name against your provider's instructions.",
		},
		source: "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-resource-limits.html#port-25-throttle",
	},
	{
		code: "connect.timeout", phases: []plugin.Phase{plugin.PhaseConnect}, ours: []string{": no answer"}, blame: plugin.BlameNetwork,
		title:       "The server does not answer",
		explanation: "Nothing came back from {host|the server} port {port}: the host is wrong or down, or a firewall on the way swallows the connection.",
		remedies: []string{
			"Check host and port against your provider's instructions.",
			"Ask your hoster whether outgoing connections to port {port} are blocked.",
		},
		source: rfc1122,
	},
	{
		code: "connect.refused", phases: []plugin.Phase{plugin.PhaseConnect}, ours: []string{"refused"}, blame: plugin.BlameNetwork,
		title:       "The server refuses the connection",
		explanation: "The machine answers, but no program listens on port {port}, or a firewall refuses: the port is wrong, or the mail service is down.",
		remedies: []string{
			"Check host and port against your provider's instructions: 465 with security tls, 587 with security starttls.",
			"If it is your own server, check that its mail service runs.",
		},
		source: rfc1122,
	},
	{
		code: "connect.unreachable", phases: []plugin.Phase{plugin.PhaseConnect}, ours: []string{"unreachable", "no route"}, blame: plugin.BlameNetwork,
		title:       "There is no way to the server from here",
		explanation: "The network says that the address cannot be reached: this machine is offline, or has no IPv6 while the server has nothing else.",
		remedies: []string{
			"Check the network of this machine: ip route; ping -c1 {host|HOST}",
			"If only IPv6 addresses are named, enable IPv6 here or use a host that has IPv4.",
		},
		source: rfc1122,
	},
	{
		code: "connect.failed", phases: []plugin.Phase{plugin.PhaseConnect}, blames: []plugin.Blame{plugin.BlameNetwork},
		title:       "The server could not be reached",
		explanation: "No connection came about: the port is wrong, a firewall is in the way, or the server is down.",
		remedies: []string{
			"Check host and port against your provider's instructions: 465 with security tls, 587 with security starttls.",
			"Ask your hoster whether outgoing connections to port {port} are blocked.",
		},
		source: rfc1122,
	},
}

// greeting is about what listens on the port, and its first words.
var greeting = []entry{
	{
		code: "port.tls_expected", phases: []plugin.Phase{plugin.PhaseGreeting}, facts: []string{"service=smtps", "service=tls"}, needsChange: true,
		title:       "This port wants encryption from the start",
		explanation: "The server on port {port} speaks TLS from the first octet (as on 465), while security {security} begins in plain text; so each waits for the other.",
		remedies: []string{
			"Set the security of this connection to tls.",
			"Or keep security {security} and use port 587.",
		},
		source: rfc8314,
	},
	{
		code: "port.plain_expected", phases: []plugin.Phase{plugin.PhaseTLS}, facts: []string{"service=smtp"}, needsChange: true,
		title:       "This port begins without encryption",
		explanation: "A mail server greets in plain text on port {port} (as on 587 and 25), while security tls wants encryption from the first octet.",
		remedies: []string{
			"Set the security of this connection to starttls; the session is encrypted all the same.",
			"Or keep security tls and use port 465.",
		},
		source: rfc8314,
	},
	{
		code: "port.http", phases: beginning, facts: []string{"service=http", "service=https"}, needsChange: true,
		title:       "A web server listens on this port",
		explanation: "Port {port} of {host|the server} speaks HTTP, not SMTP.",
		remedies: []string{
			"Use the port for outgoing mail: 465 with security tls, or 587 with security starttls.",
			"Check that the host is the mail server and not the web site.",
		},
		source: rfc8314,
	},
	{
		code: "port.ssh", phases: beginning, facts: []string{"service=ssh"}, needsChange: true,
		title:       "An SSH server listens on this port",
		explanation: "Port {port} of {host|the server} is for remote logins, not for mail.",
		remedies:    []string{"Use the port for outgoing mail: 465 with security tls, or 587 with security starttls."},
		source:      "https://www.rfc-editor.org/rfc/rfc4253",
	},
	{
		code: "port.imap", phases: beginning, facts: []string{"service=imap", "service=imaps"}, needsChange: true,
		title:       "This is the port for reading mail (IMAP)",
		explanation: "The settings of incoming mail were taken for those of outgoing mail.",
		remedies: []string{
			"Use the port for outgoing mail: 465 with security tls, or 587 with security starttls.",
			"Check the host, too: that of outgoing mail is often smtp. in place of imap.",
		},
		source: rfc8314,
	},
	{
		code: "port.pop3", phases: beginning, facts: []string{"service=pop3", "service=pop3s"}, needsChange: true,
		title:       "This is the port for fetching mail (POP3)",
		explanation: "The settings of incoming mail were taken for those of outgoing mail.",
		remedies: []string{
			"Use the port for outgoing mail: 465 with security tls, or 587 with security starttls.",
			"Check the host, too: that of outgoing mail is often smtp. in place of pop.",
		},
		source: rfc8314,
	},
	{
		code: "port.ftp", phases: beginning, facts: []string{"service=ftp", "service=ftps"}, needsChange: true, blame: plugin.BlameConnection,
		title:       "An FTP server listens on this port",
		explanation: "Port {port} of {host|the server} is for file transfer, not for mail.",
		remedies:    []string{"Use the port for outgoing mail: 465 with security tls, or 587 with security starttls."},
		source:      "https://www.rfc-editor.org/rfc/rfc959",
	},
	{
		code: "port.lmtp", phases: beginning, facts: []string{"service=lmtp"}, needsChange: true, blame: plugin.BlameConnection,
		title:       "This port takes mail for local mailboxes only (LMTP)",
		explanation: "The server speaks LMTP, by which a mail server hands mail to mailboxes; it is not for sending.",
		remedies:    []string{"Use the port for outgoing mail: 465 with security tls, or 587 with security starttls."},
		source:      "https://www.rfc-editor.org/rfc/rfc2033",
	},
	{
		code: "port.other_service", phases: beginning, facts: []string{"service=mysql", "service=nntp", "service=managesieve", "service=nntps"}, needsChange: true, blame: plugin.BlameConnection,
		title:       "Another kind of server listens on this port",
		explanation: "Port {port} of {host|the server} is for {service|something else}, not for mail.",
		remedies:    []string{"Use the port for outgoing mail: 465 with security tls, or 587 with security starttls."},
		source:      rfc8314,
	},
	{
		code: "greeting.not_smtp", phases: []plugin.Phase{plugin.PhaseGreeting}, ours: []string{"did not answer in smtp", "mixes the codes", "that does not fit"}, needsChange: true, blame: plugin.BlameConnection,
		title:       "What listens there is no mail server",
		explanation: "It said something that is not SMTP; its words are above.",
		remedies: []string{
			"Check host and port against your provider's instructions: 465 with security tls, 587 with security starttls.",
		},
		source: rfc5321,
	},
	{
		code: "greeting.endless", phases: []plugin.Phase{plugin.PhaseGreeting, plugin.PhaseHello}, ours: []string{"has over", "is longer than"}, needsChange: true, blame: plugin.BlameServer,
		title:       "The server's answer has no end",
		explanation: "It sent more than any mail server does, so the session was ended. It is no mail server, or one that wants to do harm.",
		remedies:    []string{"Check host and port against your provider's instructions."},
		source:      rfc5321,
	},
	{
		code: "greeting.silent", phases: []plugin.Phase{plugin.PhaseGreeting}, ours: []string{"did not answer within"},
		title:       "The server does not greet",
		explanation: "The connection stands, but nothing is said on it, not in TLS either: a firewall swallows the session, the server is overloaded, or makes strangers wait.",
		remedies: []string{
			"Check host and port against your provider's instructions: 465 with security tls, 587 with security starttls.",
			"Try again later, and from another network, to tell the server from the way to it.",
		},
		source: rfc5321,
	},
	{
		code: "greeting.closed", phases: []plugin.Phase{plugin.PhaseGreeting}, ours: []string{"closed the connection", "connection reset", "connection broke"}, blame: plugin.BlameNetwork,
		title:       "The server hung up before it greeted",
		explanation: "It, or a firewall before it, does not want to talk to this machine: its address is blocked, or too many connections are open.",
		remedies: []string{
			"Try again in some minutes.",
			"Ask the server's operator whether the public IP address of this machine is blocked.",
			"Check the port: 465 with security tls, 587 with security starttls.",
		},
		source: rfc5321,
	},
	{
		code: "blocklist.dynamic_address", phases: append([]plugin.Phase{plugin.PhaseGreeting, plugin.PhaseHello}, transaction...), says: []string{"pbl.spamhaus", "/query/pbl", "dynamic ip", "dialup", "dial-up", "dynamic address", "dul.dnsbl"}, needsChange: true, blame: plugin.BlameConnection,
		title:       "Mail is not taken from this kind of address",
		explanation: "The IP address of this machine is listed as one of homes or cloud machines, from which receiving servers take no mail directly.",
		remedies: []string{
			"Send through a provider with a login (port 465 or 587) instead of directly.",
			"If it is a server with a fixed address, have its owner take it off the list that the reply names.",
		},
		link: "https://www.spamhaus.org/blocklists/policy-blocklist/", source: "https://www.spamhaus.org/blocklists/policy-blocklist/",
	},
	{
		code: "blocklist.listed", phases: append([]plugin.Phase{plugin.PhaseGreeting, plugin.PhaseHello}, transaction...),
		says:        []string{"blocked using", "spamhaus", "spamcop", "barracudacentral", "bl.barracuda", "barracuda reputation", "sorbs", "block list", "blocklist", "blacklist", "black list", "dnsbl", " rbl", "schwarze liste", "liste noire", "lista negra", "чёрн", "черн", "黑名单"},
		unless:      []string{"may be blacklisted"}, // cPanel's words for every domain that it finds no way to
		needsChange: true, blame: plugin.BlameConnection,
		title:       "This machine's address is on a block list",
		explanation: "The server consults a list of senders of spam, and the address from which this machine reaches it is there.",
		remedies: []string{
			"Follow the link in the reply: it tells why, and how to have the address removed.",
			"Look for a program on this server, or a neighbour on a shared one, that sends spam.",
			"Send through a provider with a login (port 465 or 587) instead of directly.",
		},
		link: "https://check.spamhaus.org/", source: "https://www.rfc-editor.org/rfc/rfc5782",
	},
	{
		code: "connect.no_reverse_dns", phases: append([]plugin.Phase{plugin.PhaseGreeting, plugin.PhaseHello}, transaction...), enhanced: []string{".7.25"},
		says: []string{"reverse dns", "reverse hostname", "ptr record", "rdns", "cannot find your hostname", "no ptr", "fcrdns"}, either: true, needsChange: true, blame: plugin.BlameConnection,
		title:       "This machine's address has no name",
		explanation: "The server takes mail only from addresses that have a host name in the reverse DNS, and this one has none that fits.",
		remedies: []string{
			"Have your hoster set the reverse DNS (PTR) of this server's public address to its host name.",
			"Or send through a provider with a login (port 465 or 587) instead of directly.",
		},
		source: iana,
	},
	{
		code: "greeting.too_many_connections", phases: []plugin.Phase{plugin.PhaseGreeting, plugin.PhaseHello}, says: []string{"too many connections", "too many concurrent", "connection rate", "connections from your host", "too many sessions", "concurrent smtp connections"}, blame: plugin.BlameLimit,
		title:       "Too many connections at once for this server",
		explanation: "It takes only so many from one address.",
		remedies:    []string{"Wait; it is tried again by itself.", "Lower the concurrency of this connection.", "Stop other programs on this machine that keep sessions with the server."},
		source:      iana,
	},
	{
		code: "greeting.unavailable", phases: []plugin.Phase{plugin.PhaseGreeting, plugin.PhaseHello}, replies: []int{421, 450, 451, 454},
		title:       "The server is not available now",
		explanation: "It answered the connection with a temporary refusal: it is overloaded, being maintained, or makes this machine wait.",
		remedies:    []string{"Wait; it is tried again by itself.", "If it lasts, show the server's words to its operator."},
		source:      rfc5321,
	},
	{
		code: "greeting.refused", phases: []plugin.Phase{plugin.PhaseGreeting},
		replies:     []int{554, 550, 553, 521, 571, 556},
		title:       "The server does not talk to this machine",
		explanation: "It answered the connection itself with a refusal, so neither login nor addresses are the reason: it blocks this machine's address, or takes no mail at all.",
		remedies: []string{
			"Read the server's words: they often name the reason or a page.",
			"Ask its operator whether the public IP address of this machine is blocked.",
			"Check that it is the server for outgoing mail (submission), not one for incoming mail.",
		},
		needsChange: true, source: rfc5321,
	},
	{
		code: "ehlo.name_refused", phases: []plugin.Phase{plugin.PhaseHello}, replies: []int{501, 504, 550, 553, 554, 450},
		title:       "The server does not accept our name",
		explanation: "In EHLO a client says its host name; this server wants a full one that exists in DNS.",
		remedies: []string{
			"Set the EHLO name of this connection to the public host name of this machine, such as mail.example.com.",
		},
		needsChange: true, blame: plugin.BlameConnection, source: rfc5321,
	},
	{
		code: "ehlo.not_supported", phases: []plugin.Phase{plugin.PhaseHello}, replies: []int{500, 502, 503, 530},
		title:       "The server does not know EHLO",
		explanation: "Without it there is neither encryption nor login. A firewall that inspects SMTP, or a very old server, answers so.",
		remedies: []string{
			"Check host and port: 465 with security tls, 587 with security starttls.",
			"Check for a firewall on the way that inspects SMTP (Cisco: inspect esmtp, SMTP fixup), and switch that off.",
		},
		needsChange: true, blame: plugin.BlameConnection, source: asa,
	},
	{
		code: "ehlo.closed", phases: []plugin.Phase{plugin.PhaseHello}, ours: []string{"closed the connection", "connection reset", "connection broke"}, blame: plugin.BlameNetwork,
		title:       "The server hung up at EHLO",
		explanation: "It greeted, and ended the session at our first word: it, or a firewall before it, does not like this machine or its name.",
		remedies: []string{
			"Set the EHLO name of this connection to the public host name of this machine.",
			"Ask the server's operator whether the public IP address of this machine is blocked.",
		},
		source: rfc5321,
	},
}
