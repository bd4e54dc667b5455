package provider

// The presets, for people to review: one entry each, the vendor's page beside
// it. Port 465 is preferred where the vendor has it (RFC 8314 section 3.3).
// Limits stand here only if the vendor states them for everybody; a comment
// names the page. Vendors that count messages rather than recipients are
// taken at their number of recipients, which is on the safe side.

const (
	tls, starttls = "tls", "starttls"

	wholeAddress = "the whole mail address"
	ownPassword  = "the password of the mailbox"
	appPassword  = "an app password, made in the account's security settings; not the one you log in with"
)

// mailboxes are where people have their mail.
func mailboxes() []Provider {
	return []Provider{
		// 500 a day: https://support.google.com/mail/answer/22839; 100 by SMTP: https://support.google.com/a/answer/166852
		{ID: "gmail", Title: "Gmail", Host: "smtp.gmail.com", Port: 465, Security: tls, Username: wholeAddress, Password: appPassword,
			Link: "https://support.google.com/accounts/answer/185833", Limits: Limits{PerDay: 500, RecipientsPerMessage: 100}, Domains: []string{"gmail.com", "googlemail.com"}},
		// 2,000 a day, 100 by SMTP: https://support.google.com/a/answer/166852
		{ID: "google-workspace", Title: "Google Workspace, by a user", Host: "smtp.gmail.com", Port: 465, Security: tls, Username: wholeAddress, Password: appPassword,
			Link: "https://support.google.com/a/answer/176600", Limits: Limits{PerDay: 2000, RecipientsPerMessage: 100}, MX: []string{"google.com", "googlemail.com"}, SPF: []string{"_spf.google.com"}, DKIMSelectors: []string{"google"}},
		// 10,000 of a user a day: https://support.google.com/a/answer/2956491; 100: https://support.google.com/a/answer/166852
		{ID: "google-workspace-relay", Title: "Google Workspace, SMTP relay", Host: "smtp-relay.gmail.com", Port: 465, Security: tls, Username: wholeAddress, Password: appPassword,
			Link: "https://support.google.com/a/answer/2956491", Limits: Limits{PerDay: 10000, RecipientsPerMessage: 100}, SPF: []string{"_spf.google.com"}, DKIMSelectors: []string{"google"}},
		// 30 messages a minute, 10,000 recipients a day:
		// https://learn.microsoft.com/office365/servicedescriptions/exchange-online-service-description/exchange-online-limits
		{ID: "microsoft365", Title: "Microsoft 365 (Exchange Online)", Host: "smtp.office365.com", Port: 587, Security: starttls, Username: wholeAddress, Password: "the password of the mailbox, for which an admin has allowed authenticated SMTP; or by OAuth (xoauth2)",
			Link: "https://learn.microsoft.com/exchange/clients-and-mobile-in-exchange-online/authenticated-client-smtp-submission", Limits: Limits{PerMinute: 30, PerDay: 10000}, MX: []string{"mail.protection.outlook.com"}, SPF: []string{"spf.protection.outlook.com"}, DKIMSelectors: []string{"selector1", "selector2"}},
		{ID: "outlook", Title: "Outlook.com, Hotmail", Host: "smtp-mail.outlook.com", Port: 587, Security: starttls, Username: wholeAddress, Password: "an OAuth access token: passwords are no longer taken",
			Link: "https://support.microsoft.com/office/pop-imap-and-smtp-settings-for-outlook-com-d088b986-291d-42b8-9564-9c414e2aa040", Auth: "xoauth2", Domains: []string{"outlook.com", "hotmail.com", "live.com", "msn.com"}},
		{ID: "yahoo", Title: "Yahoo Mail", Host: "smtp.mail.yahoo.com", Port: 465, Security: tls, Username: wholeAddress, Password: appPassword,
			Link: "https://help.yahoo.com/kb/SLN4075.html", Domains: []string{"yahoo.com", "ymail.com", "rocketmail.com"}, MX: []string{"yahoodns.net"}},
		{ID: "aol", Title: "AOL Mail", Host: "smtp.aol.com", Port: 465, Security: tls, Username: wholeAddress, Password: appPassword,
			Link: "https://help.aol.com/articles/how-do-i-use-other-email-applications-to-send-and-receive-my-aol-mail", Domains: []string{"aol.com", "aim.com"}},
		// https://support.apple.com/102198
		{ID: "icloud", Title: "iCloud Mail", Host: "smtp.mail.me.com", Port: 587, Security: starttls, Username: wholeAddress, Password: appPassword,
			Link: "https://support.apple.com/102525", Limits: Limits{PerDay: 1000, RecipientsPerMessage: 500}, Domains: []string{"icloud.com", "me.com", "mac.com"}, MX: []string{"mail.icloud.com"}, SPF: []string{"icloud.com"}, DKIMSelectors: []string{"sig1"}},
		{ID: "zoho", Title: "Zoho Mail", Host: "smtp.zoho.com", Port: 465, Security: tls, Username: wholeAddress, Password: appPassword,
			Link: "https://www.zoho.com/mail/help/zoho-smtp.html", Domains: []string{"zoho.com", "zohomail.com"}, MX: []string{"mx.zoho.com", "zohomail.com"}, SPF: []string{"zoho.com", "zohomail.com"}, DKIMSelectors: []string{"zmail", "zoho"}},
		{ID: "zoho-eu", Title: "Zoho Mail, EU", Host: "smtp.zoho.eu", Port: 465, Security: tls, Username: wholeAddress, Password: appPassword,
			Link: "https://www.zoho.com/mail/help/zoho-smtp.html", Domains: []string{"zohomail.eu"}, MX: []string{"mx.zoho.eu"}, SPF: []string{"zoho.eu", "zohomail.eu"}, DKIMSelectors: []string{"zmail", "zoho"}},
		{ID: "zoho-in", Title: "Zoho Mail, India", Host: "smtp.zoho.in", Port: 465, Security: tls, Username: wholeAddress, Password: appPassword,
			Link: "https://www.zoho.com/mail/help/zoho-smtp.html", Domains: []string{"zohomail.in"}, MX: []string{"mx.zoho.in"}, SPF: []string{"zoho.in", "zohomail.in"}, DKIMSelectors: []string{"zmail", "zoho"}},
		{ID: "yandex", Title: "Yandex Mail", Host: "smtp.yandex.com", Port: 465, Security: tls, Username: wholeAddress, Password: appPassword,
			Link: "https://yandex.com/support/mail/mail-clients/others.html", Domains: []string{"yandex.com", "yandex.ru", "ya.ru"}, MX: []string{"mx.yandex.net", "mx.yandex.ru"}, SPF: []string{"_spf.yandex.net"}, DKIMSelectors: []string{"mail"}},
		{ID: "mail.ru", Title: "Mail.ru", Host: "smtp.mail.ru", Port: 465, Security: tls, Username: wholeAddress, Password: appPassword,
			Link: "https://help.mail.ru/mail/mailer/popsmtp", Domains: []string{"mail.ru", "inbox.ru", "list.ru", "bk.ru"}, MX: []string{"mail.ru"}, SPF: []string{"_spf.mail.ru"}, DKIMSelectors: []string{"mailru"}},
		{ID: "qq", Title: "QQ Mail", Host: "smtp.qq.com", Port: 465, Security: tls, Username: wholeAddress, Password: "the authorisation code of the settings page, not the password",
			Link: "https://service.mail.qq.com/", Domains: []string{"qq.com", "foxmail.com"}},
		{ID: "exmail", Title: "Tencent Exmail", Host: "smtp.exmail.qq.com", Port: 465, Security: tls, Username: wholeAddress, Password: appPassword,
			Link: "https://service.exmail.qq.com/", MX: []string{"mxbiz1.qq.com", "mxbiz2.qq.com"}, SPF: []string{"spf.mail.qq.com"}},
		{ID: "163", Title: "NetEase 163", Host: "smtp.163.com", Port: 465, Security: tls, Username: wholeAddress, Password: "the authorisation code of the settings page, not the password",
			Link: "https://help.mail.163.com/", Domains: []string{"163.com"}},
		{ID: "126", Title: "NetEase 126", Host: "smtp.126.com", Port: 465, Security: tls, Username: wholeAddress, Password: "the authorisation code of the settings page, not the password",
			Link: "https://help.mail.163.com/", Domains: []string{"126.com"}},
		{ID: "aliyun", Title: "Alibaba Mail", Host: "smtp.qiye.aliyun.com", Port: 465, Security: tls, Username: wholeAddress, Password: ownPassword,
			Link: "https://help.aliyun.com/document_detail/36576.html", MX: []string{"qiye.aliyun.com", "mxhichina.com"}, SPF: []string{"spf.qiye.aliyun.com"}},
		{ID: "naver", Title: "Naver", Host: "smtp.naver.com", Port: 465, Security: tls, Username: "the Naver id", Password: appPassword,
			Link: "https://help.naver.com/", Domains: []string{"naver.com"}},
		{ID: "fastmail", Title: "Fastmail", Host: "smtp.fastmail.com", Port: 465, Security: tls, Username: wholeAddress, Password: appPassword,
			Link: "https://www.fastmail.help/hc/en-us/articles/1500000278342", Domains: []string{"fastmail.com", "fastmail.fm"}, MX: []string{"messagingengine.com"}, SPF: []string{"spf.messagingengine.com"}, DKIMSelectors: []string{"fm1", "fm2", "fm3"}},
		{ID: "proton", Title: "Proton Mail, by an SMTP token", Host: "smtp.protonmail.ch", Port: 587, Security: starttls, Username: "the address that the token is for", Password: "the SMTP token",
			Link: "https://proton.me/support/smtp-submission", MX: []string{"protonmail.ch"}, SPF: []string{"_spf.protonmail.ch"}, DKIMSelectors: []string{"protonmail", "protonmail2", "protonmail3"}},
		{ID: "proton-bridge", Title: "Proton Mail, by the Bridge on this machine", Host: "127.0.0.1", Port: 1025, Security: starttls, Username: wholeAddress, Password: "the password that the Bridge shows; give its certificate as authority, too",
			Link: "https://proton.me/mail/bridge", Domains: []string{"proton.me", "protonmail.com", "pm.me"}},
		{ID: "gmx", Title: "GMX", Host: "mail.gmx.net", Port: 465, Security: tls, Username: wholeAddress, Password: "the password; POP3/IMAP access must be allowed in the settings",
			Link: "https://hilfe.gmx.net/pop-imap/imap/imap-serverdaten.html", Domains: []string{"gmx.de", "gmx.net", "gmx.at", "gmx.ch"}, MX: []string{"emig.gmx.net"}},
		{ID: "gmx.com", Title: "GMX.com", Host: "mail.gmx.com", Port: 465, Security: tls, Username: wholeAddress, Password: "the password; POP3/IMAP access must be allowed in the settings",
			Link: "https://support.gmx.com/pop-imap/imap/server.html", Domains: []string{"gmx.com", "gmx.us"}},
		{ID: "web.de", Title: "WEB.DE", Host: "smtp.web.de", Port: 587, Security: starttls, Username: wholeAddress, Password: "the password; POP3/IMAP access must be allowed in the settings",
			Link: "https://hilfe.web.de/pop-imap/imap/imap-serverdaten.html", Domains: []string{"web.de"}},
		{ID: "mail.com", Title: "mail.com", Host: "smtp.mail.com", Port: 465, Security: tls, Username: wholeAddress, Password: ownPassword,
			Link: "https://support.mail.com/", Domains: []string{"mail.com", "email.com"}},
		{ID: "t-online", Title: "T-Online", Host: "securesmtp.t-online.de", Port: 465, Security: tls, Username: wholeAddress, Password: "the password for e-mail programs, not the one of the account",
			Link: "https://www.telekom.de/hilfe/apps-dienste/e-mail", Domains: []string{"t-online.de", "magenta.de"}},
		{ID: "freenet", Title: "freenet Mail", Host: "mx.freenet.de", Port: 587, Security: starttls, Username: wholeAddress, Password: ownPassword,
			Link: "https://email-hilfe.freenet.de/", Domains: []string{"freenet.de"}},
		{ID: "mailbox.org", Title: "mailbox.org", Host: "smtp.mailbox.org", Port: 465, Security: tls, Username: wholeAddress, Password: ownPassword,
			Link: "https://kb.mailbox.org/", Domains: []string{"mailbox.org"}, MX: []string{"mailbox.org"}, SPF: []string{"mailbox.org"}, DKIMSelectors: []string{"MBO0001", "MBO0002", "MBO0003", "MBO0004"}},
		{ID: "posteo", Title: "Posteo", Host: "posteo.de", Port: 465, Security: tls, Username: wholeAddress, Password: ownPassword,
			Link: "https://posteo.de/en/help", Domains: []string{"posteo.de", "posteo.net"}},
		{ID: "runbox", Title: "Runbox", Host: "mail.runbox.com", Port: 465, Security: tls, Username: "the user name of the account", Password: appPassword,
			Link: "https://help.runbox.com/", Domains: []string{"runbox.com"}},
		{ID: "kolabnow", Title: "Kolab Now", Host: "smtp.kolabnow.com", Port: 465, Security: tls, Username: wholeAddress, Password: ownPassword,
			Link: "https://kolabnow.com/", MX: []string{"kolabnow.com"}},
		{ID: "seznam", Title: "Seznam Email", Host: "smtp.seznam.cz", Port: 465, Security: tls, Username: wholeAddress, Password: ownPassword,
			Link: "https://napoveda.seznam.cz/", Domains: []string{"seznam.cz", "email.cz", "post.cz"}},
		{ID: "bluewin", Title: "Bluewin", Host: "smtpauths.bluewin.ch", Port: 465, Security: tls, Username: wholeAddress, Password: ownPassword,
			Link: "https://www.swisscom.ch/", Domains: []string{"bluewin.ch"}},
		{ID: "orange.fr", Title: "Orange", Host: "smtp.orange.fr", Port: 465, Security: tls, Username: wholeAddress, Password: ownPassword,
			Link: "https://assistance.orange.fr/", Domains: []string{"orange.fr", "wanadoo.fr"}},
		{ID: "comcast", Title: "Xfinity (Comcast)", Host: "smtp.comcast.net", Port: 465, Security: tls, Username: wholeAddress, Password: ownPassword,
			Link: "https://www.xfinity.com/support/", Domains: []string{"comcast.net"}},
	}
}

// hosters have mailboxes of their customers' domains.
func hosters() []Provider {
	return []Provider{
		{ID: "ovh", Title: "OVHcloud, MX Plan", Host: "ssl0.ovh.net", Port: 465, Security: tls, Username: wholeAddress, Password: ownPassword,
			Link: "https://help.ovhcloud.com/", MX: []string{"mail.ovh.net"}, SPF: []string{"mx.ovh.com"}},
		{ID: "ionos", Title: "IONOS", Host: "smtp.ionos.com", Port: 465, Security: tls, Username: wholeAddress, Password: ownPassword,
			Link: "https://www.ionos.com/help/email/", MX: []string{"ionos.com"}, SPF: []string{"_spf-us.ionos.com"}, DKIMSelectors: []string{"s1-ionos", "s2-ionos"}},
		{ID: "ionos.de", Title: "IONOS, Germany", Host: "smtp.ionos.de", Port: 465, Security: tls, Username: wholeAddress, Password: ownPassword,
			Link: "https://www.ionos.de/hilfe/e-mail/", MX: []string{"kundenserver.de", "ionos.de"}, SPF: []string{"_spf-eu.ionos.com", "_spf.kundenserver.de"}, DKIMSelectors: []string{"s1-ionos", "s2-ionos"}},
		{ID: "strato", Title: "STRATO", Host: "smtp.strato.de", Port: 465, Security: tls, Username: wholeAddress, Password: ownPassword,
			Link: "https://www.strato.de/faq/mail/", MX: []string{"rzone.de"}, SPF: []string{"_spf.strato.com"}, DKIMSelectors: []string{"strato-dkim-0002", "strato-dkim-0003"}},
		{ID: "hetzner", Title: "Hetzner webhosting", Host: "mail.your-server.de", Port: 465, Security: tls, Username: wholeAddress, Password: ownPassword,
			Link: "https://docs.hetzner.com/konsoleh/", MX: []string{"your-server.de"}},
		{ID: "gandi", Title: "Gandi", Host: "mail.gandi.net", Port: 465, Security: tls, Username: wholeAddress, Password: ownPassword,
			Link: "https://docs.gandi.net/en/gandimail/", MX: []string{"mail.gandi.net"}, SPF: []string{"_mailcust.gandi.net"}, DKIMSelectors: []string{"gm1", "gm2", "gm3"}},
		{ID: "infomaniak", Title: "Infomaniak", Host: "mail.infomaniak.com", Port: 465, Security: tls, Username: wholeAddress, Password: "a password made for a device",
			Link: "https://www.infomaniak.com/en/support/faq", MX: []string{"infomaniak.ch"}, SPF: []string{"spf.infomaniak.ch"}},
		{ID: "migadu", Title: "Migadu", Host: "smtp.migadu.com", Port: 465, Security: tls, Username: wholeAddress, Password: ownPassword,
			Link: "https://www.migadu.com/guides/", MX: []string{"migadu.com"}, SPF: []string{"spf.migadu.com"}, DKIMSelectors: []string{"key1", "key2", "key3"}},
		{ID: "titan", Title: "Titan", Host: "smtp.titan.email", Port: 465, Security: tls, Username: wholeAddress, Password: ownPassword,
			Link: "https://support.titan.email/", MX: []string{"titan.email"}, SPF: []string{"spf.titan.email"}, DKIMSelectors: []string{"titan1"}},
		{ID: "namecheap", Title: "Namecheap Private Email", Host: "mail.privateemail.com", Port: 465, Security: tls, Username: wholeAddress, Password: ownPassword,
			Link: "https://www.namecheap.com/support/knowledgebase/", MX: []string{"privateemail.com"}, SPF: []string{"spf.privateemail.com"}},
		{ID: "hostinger", Title: "Hostinger", Host: "smtp.hostinger.com", Port: 465, Security: tls, Username: wholeAddress, Password: ownPassword,
			Link: "https://support.hostinger.com/", MX: []string{"hostinger.com"}, SPF: []string{"_spf.mail.hostinger.com"}, DKIMSelectors: []string{"hostingermail-a", "hostingermail-b", "hostingermail-c"}},
		// https://help.dreamhost.com/hc/en-us/articles/215730437-SMTP-quota-limits
		{ID: "dreamhost", Title: "DreamHost", Host: "smtp.dreamhost.com", Port: 465, Security: tls, Username: wholeAddress, Password: ownPassword,
			Link: "https://help.dreamhost.com/", Limits: Limits{PerHour: 100, RecipientsPerMessage: 100}, MX: []string{"dreamhost.com"}, SPF: []string{"netblocks.dreamhost.com"}},
		{ID: "rackspace", Title: "Rackspace Email", Host: "secure.emailsrvr.com", Port: 465, Security: tls, Username: wholeAddress, Password: ownPassword,
			Link: "https://docs.rackspace.com/", MX: []string{"emailsrvr.com"}, SPF: []string{"emailsrvr.com"}},
		{ID: "godaddy", Title: "GoDaddy Professional Email", Host: "smtpout.secureserver.net", Port: 465, Security: tls, Username: wholeAddress, Password: ownPassword,
			Link: "https://www.godaddy.com/help", MX: []string{"secureserver.net"}, SPF: []string{"secureserver.net"}},
		{ID: "one.com", Title: "one.com", Host: "send.one.com", Port: 465, Security: tls, Username: wholeAddress, Password: ownPassword,
			Link: "https://help.one.com/", MX: []string{"one.com"}, SPF: []string{"_custspf.one.com"}},
		{ID: "aruba", Title: "Aruba", Host: "smtps.aruba.it", Port: 465, Security: tls, Username: wholeAddress, Password: ownPassword,
			Link: "https://guide.hosting.aruba.it/", MX: []string{"aruba.it"}, Domains: []string{"aruba.it"}, SPF: []string{"_spf.aruba.it"}},
		// https://www.easyname.com/en/support/email/141-how-many-e-mails-i-can-send-email-limits
		{ID: "easyname", Title: "easyname", Host: "smtp.easyname.com", Port: 465, Security: tls, Username: "the name of the mailbox", Password: ownPassword,
			Link: "https://support.easyname.com/", Limits: Limits{PerHour: 400, PerDay: 1500, RecipientsPerMessage: 100}},
		{ID: "loopia", Title: "Loopia", Host: "mailcluster.loopia.se", Port: 465, Security: tls, Username: wholeAddress, Password: ownPassword,
			Link: "https://support.loopia.com/", MX: []string{"loopia.se"}},
	}
}

// services send for applications.
func services() []Provider {
	return []Provider{
		{ID: "sendgrid", Title: "Twilio SendGrid", Host: "smtp.sendgrid.net", Port: 465, Security: tls, Username: "apikey, as it stands", Password: "an API key with the right to send",
			Link: "https://www.twilio.com/docs/sendgrid/for-developers/sending-email/integrating-with-the-smtp-api", SPF: []string{"sendgrid.net"}, DKIMSelectors: []string{"s1", "s2"}},
		{ID: "sendgrid-eu", Title: "Twilio SendGrid, EU", Host: "smtp.eu.sendgrid.net", Port: 465, Security: tls, Username: "apikey, as it stands", Password: "an API key of an EU subuser",
			Link: "https://www.twilio.com/docs/sendgrid/for-developers/sending-email/integrating-with-the-smtp-api", SPF: []string{"sendgrid.net"}, DKIMSelectors: []string{"s1", "s2"}},
		{ID: "mailgun", Title: "Mailgun", Host: "smtp.mailgun.org", Port: 465, Security: tls, Username: "an SMTP user of the domain, such as postmaster@mg.example.com", Password: "the password of the SMTP user",
			Link: "https://documentation.mailgun.com/docs/mailgun/user-manual/sending-messages/send-smtp", SPF: []string{"mailgun.org"}, DKIMSelectors: []string{"k1", "krs", "mailo", "mx", "pic", "smtp"}},
		{ID: "mailgun-eu", Title: "Mailgun, EU", Host: "smtp.eu.mailgun.org", Port: 465, Security: tls, Username: "an SMTP user of the domain, such as postmaster@mg.example.com", Password: "the password of the SMTP user",
			Link: "https://documentation.mailgun.com/docs/mailgun/user-manual/sending-messages/send-smtp", SPF: []string{"mailgun.org"}, DKIMSelectors: []string{"k1", "krs", "mailo", "mx", "pic", "smtp"}},
		{ID: "postmark", Title: "Postmark", Host: "smtp.postmarkapp.com", Port: 587, Security: starttls, Username: "the server's API token", Password: "the same token again",
			Link: "https://postmarkapp.com/developer/user-guide/send-email-with-smtp", SPF: []string{"spf.mtasv.net"}},
		{ID: "brevo", Title: "Brevo", Host: "smtp-relay.brevo.com", Port: 465, Security: tls, Username: "the SMTP login of the settings page", Password: "an SMTP key, not an API key",
			Link: "https://help.brevo.com/hc/en-us/articles/7924908994450", SPF: []string{"spf.brevo.com", "spf.sendinblue.com"}, DKIMSelectors: []string{"brevo1", "brevo2", "mail"}},
		{ID: "mailjet", Title: "Mailjet", Host: "in-v3.mailjet.com", Port: 465, Security: tls, Username: "the API key", Password: "the secret key",
			Link: "https://dev.mailjet.com/smtp-relay/configuration/", SPF: []string{"spf.mailjet.com"}, DKIMSelectors: []string{"mailjet"}},
		{ID: "sparkpost", Title: "SparkPost", Host: "smtp.sparkpostmail.com", Port: 587, Security: starttls, Username: "SMTP_Injection, as it stands", Password: "an API key with the right to send by SMTP",
			Link: "https://developers.sparkpost.com/api/smtp/", SPF: []string{"sparkpostmail.com"}},
		{ID: "sparkpost-eu", Title: "SparkPost, EU", Host: "smtp.eu.sparkpostmail.com", Port: 587, Security: starttls, Username: "SMTP_Injection, as it stands", Password: "an API key with the right to send by SMTP",
			Link: "https://developers.sparkpost.com/api/smtp/"},
		{ID: "smtp2go", Title: "SMTP2GO", Host: "mail.smtp2go.com", Port: 465, Security: tls, Username: "an SMTP user", Password: "the password of the SMTP user",
			Link: "https://support.smtp2go.com/", SPF: []string{"spf.smtp2go.com"}},
		{ID: "mailersend", Title: "MailerSend", Host: "smtp.mailersend.net", Port: 587, Security: starttls, Username: "the SMTP user of the domain", Password: "the password of the SMTP user",
			Link: "https://www.mailersend.com/help/smtp-relay", SPF: []string{"_spf.mailersend.net"}, DKIMSelectors: []string{"mlsend", "mlsend2"}},
		{ID: "resend", Title: "Resend", Host: "smtp.resend.com", Port: 465, Security: tls, Username: "resend, as it stands", Password: "an API key",
			Link: "https://resend.com/docs/send-with-smtp", DKIMSelectors: []string{"resend"}},
		{ID: "elasticemail", Title: "Elastic Email", Host: "smtp.elasticemail.com", Port: 465, Security: tls, Username: "the SMTP user", Password: "the password of the SMTP user",
			Link: "https://help.elasticemail.com/", SPF: []string{"_spf.elasticemail.com"}, DKIMSelectors: []string{"api"}},
		{ID: "mandrill", Title: "Mailchimp Transactional (Mandrill)", Host: "smtp.mandrillapp.com", Port: 465, Security: tls, Username: "any text, such as the name of the account", Password: "an API key",
			Link: "https://mailchimp.com/developer/transactional/docs/smtp-integration/", SPF: []string{"spf.mandrillapp.com"}, DKIMSelectors: []string{"mte1", "mte2"}},
		{ID: "scaleway", Title: "Scaleway Transactional Email", Host: "smtp.tem.scaleway.com", Port: 465, Security: tls, Username: "the id of the project", Password: "the secret key of an API key",
			Link: "https://www.scaleway.com/en/docs/transactional-email/", SPF: []string{"_spf.tem.scaleway.com"}},
		{ID: "mailtrap", Title: "Mailtrap", Host: "live.smtp.mailtrap.io", Port: 587, Security: starttls, Username: "api, as it stands", Password: "an API token",
			Link: "https://docs.mailtrap.io/", SPF: []string{"_spf.smtp.mailtrap.live"}, DKIMSelectors: []string{"rwmt1", "rwmt2"}},
		{ID: "mailtrap-sandbox", Title: "Mailtrap, sandbox (delivers to nobody)", Host: "sandbox.smtp.mailtrap.io", Port: 2525, Security: starttls, Username: "the user name of the inbox", Password: "the password of the inbox",
			Link: "https://docs.mailtrap.io/"},
		{ID: "mailpace", Title: "MailPace", Host: "smtp.mailpace.com", Port: 587, Security: starttls, Username: "the API token of the domain", Password: "the same token again",
			Link: "https://docs.mailpace.com/"},
		{ID: "zeptomail", Title: "Zoho ZeptoMail", Host: "smtp.zeptomail.com", Port: 465, Security: tls, Username: "emailapikey, as it stands", Password: "a send mail token",
			Link: "https://www.zoho.com/zeptomail/help/smtp-home.html"},
		{ID: "azure", Title: "Azure Communication Services", Host: "smtp.azurecomm.net", Port: 587, Security: starttls, Username: "the SMTP user name of the resource", Password: "the secret of the application",
			Link: "https://learn.microsoft.com/azure/communication-services/concepts/email/email-smtp-overview", SPF: []string{"spf.protection.outlook.com"}, DKIMSelectors: []string{"selector1-azurecomm-prod-net", "selector2-azurecomm-prod-net"}},
		{ID: "directmail", Title: "Alibaba DirectMail", Host: "smtpdm.aliyun.com", Port: 465, Security: tls, Username: "the sender address", Password: "the SMTP password of the sender address",
			Link: "https://www.alibabacloud.com/help/en/direct-mail/", SPF: []string{"spf1.dm.aliyun.com"}},
		{ID: "forwardemail", Title: "Forward Email", Host: "smtp.forwardemail.net", Port: 465, Security: tls, Username: wholeAddress, Password: "a password made for the alias",
			Link: "https://forwardemail.net/en/faq", SPF: []string{"spf.forwardemail.net"}},
		{ID: "sendpulse", Title: "SendPulse", Host: "smtp-pulse.com", Port: 465, Security: tls, Username: "the login of the SMTP settings", Password: "the password of the SMTP settings",
			Link: "https://sendpulse.com/knowledge-base/smtp", SPF: []string{"mxsspf.sendpulse.com"}, DKIMSelectors: []string{"sign"}},
		{ID: "turbosmtp", Title: "turboSMTP", Host: "pro.turbo-smtp.com", Port: 465, Security: tls, Username: "the consumer key", Password: "the consumer secret",
			Link: "https://serversmtp.com/", SPF: []string{"_spf.turbo-smtp.com"}, DKIMSelectors: []string{"turbo-smtp"}},
	}
}

// regions are those of Amazon SES, https://docs.aws.amazon.com/general/latest/gr/ses.html
func regions() []Provider {
	var all []Provider
	for _, region := range []string{
		"us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1",
		"eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1", "eu-west-1", "eu-west-2", "eu-west-3",
		"ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3",
		"af-south-1", "il-central-1", "me-south-1",
	} {
		all = append(all, Provider{
			ID: "ses-" + region, Title: "Amazon SES, " + region, Host: "email-smtp." + region + ".amazonaws.com", Port: 465, Security: tls,
			Username: "the SMTP user name made for SES, not an access key", Password: "the SMTP password made with it",
			Link: "https://docs.aws.amazon.com/ses/latest/dg/smtp-credentials.html",
			// 50 a message: https://docs.aws.amazon.com/ses/latest/dg/quotas.html; how many a day and a second, by the account.
			Limits: Limits{RecipientsPerMessage: 50},
		})
	}
	return all
}
