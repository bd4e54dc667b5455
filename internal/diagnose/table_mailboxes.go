package diagnose

import "github.com/postilion-mail/postilion/plugin"

const (
	yahooApp      = "https://help.yahoo.com/kb/SLN15241.html"
	yahooErrors   = "https://senders.yahooinc.com/smtp-error-codes/"
	icloudApp     = "https://support.apple.com/102654"
	icloudServer  = "https://support.apple.com/102525"
	icloudLimits  = "https://support.apple.com/102198"
	zohoSMTP      = "https://www.zoho.com/mail/help/zoho-smtp.html"
	zohoBlocked   = "https://www.zoho.com/mail/help/adminconsole/outgoing-blocked.html"
	yandexClients = "https://yandex.com/support/mail/mail-clients/others.html"
	yandexLimits  = "https://yandex.com/support/mail/spam/honest-mailers.html"
	mailruApp     = "https://help.mail.ru/mail/security/protection/external"
	qqCode        = "https://service.mail.qq.com/detail/0/75"
	neteaseCode   = "https://help.mail.163.com/faqDetail.do?code=d7a5dc8471cd0c0e8b4b8f4f8e49998b374173cfe9171305fa1ce630d7f67ac2a5feb28b66796d3b"
	fastmailApp   = "https://www.fastmail.help/hc/en-us/articles/360058752854"
	fastmailFrom  = "https://www.fastmail.help/hc/en-us/articles/1500000278342"
	gmxAccess     = "https://hilfe.gmx.net/pop-imap/einschalten.html"
	ionosErrors   = "https://www.ionos.com/help/email/troubleshooting-mail-basic-mail-business/"
)

// mailboxes are providers of mailboxes beside Google and Microsoft.
var mailboxes = []entry{
	{
		code: "auth.yahoo.app_password_required", providers: []string{"yahoo"}, phases: []plugin.Phase{plugin.PhaseAuth}, replies: []int{535, 534, 553}, needsChange: true,
		title:       "Yahoo and AOL want an app password here",
		explanation: "They take over SMTP only app passwords; the password of the account is refused.",
		remedies: []string{
			"Log in with a browser, open Account security, and generate an app password.",
			"Give it as the password, and the whole mail address as the user name.",
		},
		link: yahooApp, source: yahooApp,
	},
	{
		code: "sender.yahoo.not_own", providers: []string{"yahoo"}, phases: []plugin.Phase{plugin.PhaseMail, plugin.PhaseRecipient, plugin.PhaseData, plugin.PhaseContent},
		says: []string{"from address is not", "from header", "mailbox unavailable*from", "not a verified"}, needsChange: true, blame: plugin.BlameSender,
		title:       "Yahoo takes this account's own addresses as sender only",
		explanation: "The From address is neither the account's nor one that was confirmed for it.",
		remedies: []string{
			"Use the account's own address as sender; let the connection force its From address.",
			"Or add the address in Yahoo Mail under Settings, Mailboxes, and confirm it.",
		},
		link: "https://help.yahoo.com/kb/SLN28145.html", source: "https://help.yahoo.com/kb/SLN28145.html",
	},
	{
		code: "auth.icloud.app_password_required", providers: []string{"icloud"}, phases: []plugin.Phase{plugin.PhaseAuth}, replies: []int{535, 534}, needsChange: true,
		title:       "iCloud wants an app-specific password here",
		explanation: "Apple takes over SMTP only app-specific passwords; the one of the Apple Account is refused.",
		remedies: []string{
			"Log in at https://account.apple.com, Sign-In and Security, App-Specific Passwords, and generate one.",
			"Give it as the password, and the whole iCloud address as the user name.",
		},
		link: icloudApp, source: icloudServer,
	},
	{
		code: "sender.icloud.not_own", providers: []string{"icloud"}, phases: []plugin.Phase{plugin.PhaseMail, plugin.PhaseRecipient, plugin.PhaseData, plugin.PhaseContent},
		replies: []int{550}, says: []string{"not permitted to send", "from address", "sender"}, needsChange: true, blame: plugin.BlameSender,
		title:       "iCloud takes this account's own addresses as sender only",
		explanation: "The sender is neither the account's address nor one of its aliases or custom domains.",
		remedies:    []string{"Use the account's iCloud address as sender; let the connection force its From address."},
		link:        icloudServer, source: icloudServer,
	},
	{
		code: "limit.icloud.daily", providers: []string{"icloud"}, phases: []plugin.Phase{plugin.PhaseMail, plugin.PhaseRecipient, plugin.PhaseData, plugin.PhaseContent}, says: []string{"limit", "quota", "too many"}, blame: plugin.BlameLimit,
		title:       "The sending limit at iCloud is reached",
		explanation: "iCloud Mail takes 1,000 messages and 1,000 recipients a day, and 500 recipients a message.",
		remedies:    []string{"Wait up to 24 hours.", "Set the limits of this connection to these numbers."},
		link:        icloudLimits, source: icloudLimits,
	},
	{
		code: "auth.zoho.rejected", providers: []string{"zoho"}, phases: []plugin.Phase{plugin.PhaseAuth}, replies: []int{535}, needsChange: true,
		title:       "Zoho does not accept the login",
		explanation: "The password is wrong, the account lives in another region's data centre, or a second factor asks for an app password.",
		remedies: []string{
			"Make an application-specific password at https://accounts.zoho.com (Security, App Passwords) and give it here.",
			"Use the host of your account's region: smtp.zoho.com, .eu, .in, .com.au, .jp; paying organisations smtppro.zoho.com.",
			"Check that IMAP/SMTP access is on for the mailbox.",
		},
		link: zohoSMTP, source: zohoSMTP,
	},
	{
		code: "sender.zoho.relaying_disallowed", providers: []string{"zoho", "zeptomail"}, says: []string{"relaying disallowed"}, needsChange: true, blame: plugin.BlameSender,
		title:       "Zoho does not let this login send as this sender",
		explanation: "The From address is not the account's own, nor one of its aliases or verified domains.",
		remedies: []string{
			"Use the login's address as sender; let the connection force its From address.",
			"Or add the address as an alias, or verify its domain, in Zoho.",
		},
		link: zohoSMTP, source: "https://www.zoho.com/zeptomail/help/api/smtp-error-codes.html",
	},
	{
		code: "sender.zoho.blocked", providers: []string{"zoho"}, says: []string{"outgoing blocked", "sender address blocked", "unusual sending activity"}, needsChange: true, blame: plugin.BlameSender,
		title:       "Zoho has blocked outgoing mail of this account",
		explanation: "It sent more or other mail than Zoho allows for such an account.",
		remedies: []string{
			"Log in to Zoho Mail with a browser and follow the notice to unblock the account, or ask the administrator to do so.",
			"Use a sending service for newsletters and other mail in bulk.",
		},
		link: zohoBlocked, source: zohoBlocked,
	},
	{
		code: "auth.zeptomail.rejected", providers: []string{"zeptomail"}, phases: []plugin.Phase{plugin.PhaseAuth}, replies: []int{535}, needsChange: true,
		title:       "ZeptoMail does not accept the login",
		explanation: "The Send Mail token is wrong, or the account has no credits or is blocked.",
		remedies: []string{
			"Copy user name and password from the Mail Agent's SMTP tab.",
			"Check that the account has credits.",
		},
		link: "https://www.zoho.com/zeptomail/help/smtp-home.html", source: "https://www.zoho.com/zeptomail/help/api/smtp-error-codes.html",
	},
	{
		code: "auth.yandex.no_access", providers: []string{"yandex"}, phases: []plugin.Phase{plugin.PhaseAuth}, replies: []int{535}, says: []string{"does not have access rights"}, needsChange: true,
		title:       "Yandex has mail programs switched off for this mailbox",
		explanation: "The login is right, but the mailbox does not allow access by programs.",
		remedies: []string{
			"In Yandex Mail open All settings, Email clients, and allow access with app passwords.",
			"Log in to the mailbox once with a browser and accept the agreement, if it is new.",
		},
		link: yandexClients, source: yandexClients,
	},
	{
		code: "auth.yandex.app_password_required", providers: []string{"yandex"}, phases: []plugin.Phase{plugin.PhaseAuth}, replies: []int{535}, needsChange: true,
		title:       "Yandex wants an app password here",
		explanation: "Yandex takes over SMTP only app passwords; the password of the account is refused.",
		remedies: []string{
			"Make an app password for mail at https://id.yandex.com/security/app-passwords and give it here.",
			"In Yandex Mail open All settings, Email clients, and allow access with app passwords.",
			"For a mailbox of your own domain give the whole address as user name.",
		},
		link: yandexClients, source: yandexClients,
	},
	{
		code: "content.yandex.spam", providers: []string{"yandex"}, phases: []plugin.Phase{plugin.PhaseData, plugin.PhaseContent, plugin.PhaseRecipient, plugin.PhaseMail}, replies: []int{554, 550}, says: []string{"spam"}, needsChange: true, blame: plugin.BlameContent,
		title:       "Yandex takes this message for spam",
		explanation: "Its content, or that many like it were sent, was the reason.",
		remedies:    []string{"Send less at once and with different content.", "Use a sending service for mail in bulk."},
		link:        yandexLimits, source: yandexLimits,
	},
	{
		code: "auth.mailru.app_password_required", providers: []string{"mailru"}, phases: []plugin.Phase{plugin.PhaseAuth}, replies: []int{535, 534}, needsChange: true,
		title:       "Mail.ru wants an app password here",
		explanation: "Mail.ru takes from programs only passwords made for external applications.",
		remedies: []string{
			"In the account's security settings make a password for external applications, and give it here.",
			"Give the whole mail address as the user name.",
		},
		link: mailruApp, source: mailruApp,
	},
	{
		code: "auth.qq.authorization_code_required", providers: []string{"qq"}, phases: []plugin.Phase{plugin.PhaseAuth}, replies: []int{535, 534, 530}, needsChange: true,
		title:       "QQ Mail wants an authorisation code here",
		explanation: "QQ Mail takes over SMTP only an authorisation code, and only when SMTP is switched on for the mailbox; the QQ password is refused.",
		remedies: []string{
			"In QQ Mail open Settings, Account, switch on POP3/IMAP/SMTP, and generate an authorisation code.",
			"Give the 16 letters of the code as the password. After a change of the QQ password make a new one.",
		},
		link: qqCode, source: qqCode,
	},
	{
		code: "sender.qq.not_own", providers: []string{"qq", "netease"}, phases: []plugin.Phase{plugin.PhaseMail, plugin.PhaseRecipient, plugin.PhaseData, plugin.PhaseContent},
		says: []string{"mail from must", "must equal authorized", "same as authorization user", "from\" header is missing or invalid", "from header"}, needsChange: true, blame: plugin.BlameSender,
		title:       "The sender must be the address of the login",
		explanation: "This provider takes no other address in MAIL FROM and From than the one that has logged in.",
		remedies:    []string{"Let the connection force its From address to the address of the login, and leave the envelope sender to it."},
		link:        qqCode, source: qqCode,
	},
	{
		code: "auth.netease.authorization_code_required", providers: []string{"netease"}, phases: []plugin.Phase{plugin.PhaseAuth}, replies: []int{535, 550, 553}, needsChange: true,
		title:       "NetEase Mail wants an authorisation code here",
		explanation: "163 and 126 take over SMTP only an authorisation code, and only when SMTP is switched on for the mailbox.",
		remedies: []string{
			"In the web mail open Settings, POP3/SMTP/IMAP, switch SMTP on, and make an authorisation code.",
			"Give the code as the password, and the whole mail address as the user name.",
		},
		link: neteaseCode, source: neteaseCode,
	},
	{
		code: "auth.fastmail.app_password_required", providers: []string{"fastmail"}, phases: []plugin.Phase{plugin.PhaseAuth}, replies: []int{535, 534}, needsChange: true,
		title:       "Fastmail wants an app password here",
		explanation: "Fastmail takes over SMTP only app passwords that may send mail; the password of the account is refused.",
		remedies: []string{
			"Under Settings, Privacy & Security, Manage app passwords, make one with access to SMTP.",
			"Give the whole address of the account, not an alias, as the user name. Basic plans have no SMTP.",
		},
		link: fastmailApp, source: fastmailApp,
	},
	{
		code: "sender.fastmail.not_own", providers: []string{"fastmail"}, replies: []int{551, 550, 553}, phases: []plugin.Phase{plugin.PhaseMail, plugin.PhaseRecipient, plugin.PhaseData, plugin.PhaseContent},
		says: []string{"not authorised to send from", "not authorized to send from"}, needsChange: true, blame: plugin.BlameSender,
		title:       "Fastmail does not let this account send as this sender",
		explanation: "The From address is none of the account's sending identities.",
		remedies:    []string{"Add the address as an alias or sending identity in Fastmail, or use the account's own address as sender."},
		link:        fastmailFrom, source: fastmailFrom,
	},
	{
		code: "auth.gmx.access_off", providers: []string{"gmx"}, phases: []plugin.Phase{plugin.PhaseAuth}, replies: []int{535, 554}, needsChange: true,
		title:       "GMX or WEB.DE does not accept the login",
		explanation: "The password is wrong, mail programs are switched off for the mailbox, as they are at first, or a second factor asks for an app password.",
		remedies: []string{
			"In the web mail open E-Mail, Settings, POP3 & IMAP, and allow access; it is switched off again when not used.",
			"With two-factor login make an application-specific password.",
			"Give the whole mail address as the user name.",
		},
		link: gmxAccess, source: gmxAccess,
	},
	{
		code: "sender.gmx.not_own", providers: []string{"gmx", "ionos"}, says: []string{"sender address is not allowed", "sender address not allowed", "from-domain", "nemesis*sender"}, needsChange: true, blame: plugin.BlameSender,
		title:       "The sender is not allowed for this login",
		explanation: "The mail service takes as sender only the address of the login and its aliases.",
		remedies:    []string{"Use the address of the login as sender; let the connection force its From address."},
		link:        ionosErrors, source: ionosErrors,
	},
}
