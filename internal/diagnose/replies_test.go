package diagnose_test

import (
	"strings"
	"testing"
)

// answer is a reply as the vendor documents it, or as its server gives it, and
// what it has to be explained as.
type answer struct {
	server string // a key of servers
	on     string // the event at which it comes
	reply  string // lines
	code   string
	remedy string
}

// servers are hosts with their greetings.
var servers = map[string][2]string{
	"gmail":     {"smtp.gmail.com", "220 smtp.gmail.com ESMTP d2e1a72fcca58-71e30b4 - gsmtp"},
	"relay":     {"smtp-relay.gmail.com", "220 smtp-relay.gmail.com ESMTP 41be03b00d2f7 - gsmtp"},
	"microsoft": {"smtp.office365.com", "220 FR0P281CA0042.outlook.office365.com Microsoft ESMTP MAIL Service ready at Thu, 26 Nov 2026 12:00:00 +0000"},
	"exchange":  {"mail.example.com", "220 mail.example.com Microsoft ESMTP MAIL Service ready"},
	"yahoo":     {"smtp.mail.yahoo.com", "220 smtp.mail.yahoo.com ESMTP ready"},
	"icloud":    {"smtp.mail.me.com", "220 p00-iscream.icloud.com iCloud iscream SMTP proxy"},
	"zoho":      {"smtp.zoho.com", "220 mx.zohomail.com SMTP Server ready November 26, 2026"},
	"zeptomail": {"smtp.zeptomail.com", "220 smtp.zeptomail.com SMTP Server ready"},
	"yandex":    {"smtp.yandex.com", "220 mail-nwsmtp-smtp-production-main-10.vla.yp-c.yandex.net (Want to use Yandex.Mail?)"},
	"mailru":    {"smtp.mail.ru", "220 smtp42.i.mail.ru ESMTP ready"},
	"qq":        {"smtp.qq.com", "220 newxmesmtplogicsvrszb9-0.qq.com XMail Esmtp QQ Mail Server."},
	"163":       {"smtp.163.com", "220 163.com Anti-spam GT for Coremail System"},
	"fastmail":  {"smtp.fastmail.com", "220 smtp.fastmail.com ESMTP . No UCE permitted."},
	"gmx":       {"mail.gmx.net", "220 gmx.net (mrgmx105) Nemesis ESMTP Service ready"},
	"ses":       {"email-smtp.eu-west-1.amazonaws.com", "220 email-smtp.amazonaws.com ESMTP SimpleEmailService-d-ABC"},
	"sendgrid":  {"smtp.sendgrid.net", "220 SG ESMTP service ready at geopod-ismtpd-24"},
	"mailgun":   {"smtp.mailgun.org", "220 Mailgun Influx ready"},
	"postmark":  {"smtp.postmarkapp.com", "220 mtp-p1.postmark ESMTP"},
	"brevo":     {"smtp-relay.brevo.com", "220 smtp-relay.brevo.com ESMTP Service Ready"},
	"mailjet":   {"in-v3.mailjet.com", "220 in.mailjet.com ESMTP Mailjet"},
	"sparkpost": {"smtp.sparkpostmail.com", "220 2.0.0 smtp.sparkpostmail.com ESMTP ecelerity"},
	"smtp2go":   {"mail.smtp2go.com", "220 mail.smtp2go.com ESMTP Exim 4.96"},
	"resend":    {"smtp.resend.com", "220 Resend SMTP Relay ESMTP"},
	"mandrill":  {"smtp.mandrillapp.com", "220 smtp.mandrillapp.com ESMTP"},
	"postfix":   {"mail.example.com", "220 mail.example.com ESMTP Postfix (Debian/GNU)"},
	// The sentence that made another program take every failure for bulk mail.
	"cpanel": {"mail.example.com", "220-host7.example.net ESMTP Exim 4.96 #2\n220-We do not authorize the use of this system to transport unsolicited,\n220 and/or bulk e-mail."},
}

var answers = []answer{
	// https://support.google.com/a/answer/3726730
	{"gmail", "AUTH", "534-5.7.9 Application-specific password required. For more information, go to\n534 5.7.9  https://support.google.com/mail/?p=InvalidSecondFactor d2e1a72fcca58-71e - gsmtp", "auth.gmail.app_password_required", "apppasswords"},
	{"gmail", "AUTH", "534-5.7.14 <https://accounts.google.com/signin/continue?sarp=1&scc=1&plt=AKgnsbv\n534-5.7.14 Please log in via your web browser and then try again.\n534 5.7.14  https://support.google.com/mail/answer/78754 - gsmtp", "auth.gmail.web_login_required", "browser"},
	{"gmail", "AUTH", "535-5.7.8 Username and Password not accepted. For more information, go to\n535 5.7.8  https://support.google.com/mail/?p=BadCredentials d2e1a72fcca58 - gsmtp", "auth.gmail.rejected", "16 letters"},
	{"gmail", "AUTH", "454 4.7.0 Too many login attempts, please try again later. For more information, go to https://support.google.com/mail/?p=TooManyLoginAttempts - gsmtp", "auth.gmail.too_many_logins", "do not test"},
	{"gmail", "AUTH", "454 4.7.0 Cannot authenticate due to a temporary system problem. Try again later. - gsmtp", "auth.unavailable", "Wait"},
	{"gmail", "MAIL", "530-5.7.0 Authentication Required. For more information, go to\n530 5.7.0  https://support.google.com/mail/?p=WantAuthError - gsmtp", "auth.gmail.required", "app password"},
	{"gmail", "CONTENT", "550-5.4.5 Daily user sending limit exceeded. For more information on Gmail\n550 5.4.5 sending limits go to https://support.google.com/a/answer/166852 - gsmtp", "limit.google.daily", "24 hours"},
	{"gmail", "CONTENT", "552-5.7.0 This message was blocked because its content presents a potential\n552 5.7.0 security issue. https://support.google.com/mail/?p=BlockedMessage - gsmtp", "content.google.attachment_blocked", "link"},
	{"gmail", "CONTENT", "550-5.7.26 Your email has been blocked because the sender is unauthenticated.\n550 5.7.26 Gmail requires all senders to authenticate with either SPF or DKIM. - gsmtp", "content.google.unauthenticated", "doctor domain"},
	{"gmail", "CONTENT", "550-5.7.1 [203.0.113.7      12] Gmail has detected that this message is likely\n550 5.7.1 unsolicited mail. - gsmtp", "content.google.spam", "plain text"},
	{"gmail", "RCPT", "450-4.2.1 The user you are trying to contact is receiving mail too quickly.\n450 4.2.1 Please resend your message at a later time. - gsmtp", "recipient.google.rate", "Wait"},
	{"gmail", "RCPT", "550-5.1.1 The email account that you tried to reach does not exist. Please try\n550 5.1.1 double-checking the recipient's email address for typos. - gsmtp", "recipient.unknown", "typing errors"},
	{"relay", "AUTH", "535-5.7.8 Username and Password not accepted. For more information, go to\n535 5.7.8  https://support.google.com/mail/?p=BadCredentials - gsmtp", "auth.google_relay.rejected", "IP address"},
	{"relay", "MAIL", "550-5.7.1 Invalid credentials for relay [203.0.113.7]. The IP address you've\n550-5.7.1 registered in your G Suite SMTP Relay service doesn't match the domain of\n550 5.7.1 the account this email is being sent from. - gsmtp", "relay.google.not_registered", "Admin console"},
	{"relay", "RCPT", "450 4.2.1 Peak SMTP relay limit exceeded for customer. This is a temporary error. - gsmtp", "limit.google.relay_peak", "limit per minute"},
	{"relay", "CONTENT", "550 5.7.1 Daily SMTP relay limit exceeded for customer. For more information on SMTP relay sending limits please contact your administrator - gsmtp", "limit.google.daily", "24 hours"},
	{"relay", "EHLO", "421 4.7.0 Try again later, closing connection. (EHLO) - gsmtp", "connect.google.slow_down", "EHLO name"},
	// https://learn.microsoft.com: authenticated client submission, NDR codes
	{"microsoft", "AUTH", "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled for more information. [FR0P281CA0042.DEUP281.PROD.OUTLOOK.COM]", "auth.microsoft.smtp_auth_disabled_tenant", "Authenticated SMTP"},
	{"microsoft", "AUTH", "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox. Visit https://aka.ms/smtp_auth_disabled for more information. [FR0P281CA0042.DEUP281.PROD.OUTLOOK.COM]", "auth.microsoft.smtp_auth_disabled_mailbox", "Set-CASMailbox -Identity site@example.com"},
	{"microsoft", "AUTH", "535 5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults policy. Contact your administrator. [FR0P281CA0042.DEUP281.PROD.OUTLOOK.COM]", "auth.microsoft.security_defaults", "xoauth2"},
	{"microsoft", "AUTH", "535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be authenticated successfully. Contact your administrator. [FR0P281CA0042.DEUP281.PROD.OUTLOOK.COM]", "auth.microsoft.conditional_access", "sign-in log"},
	{"microsoft", "AUTH", "535 5.7.139 Authentication unsuccessful, basic authentication is disabled. [FR0P281CA0042.DEUP281.PROD.OUTLOOK.COM]", "auth.microsoft.basic_disabled", "xoauth2"},
	{"microsoft", "AUTH", "535 5.7.139 Authentication unsuccessful, the user credentials were incorrect. [FR0P281CA0042.DEUP281.PROD.OUTLOOK.COM]", "auth.microsoft.credentials", "outlook.office.com"},
	{"microsoft", "AUTH", "535 5.7.139 Authentication unsuccessful [FR0P281CA0042.DEUP281.PROD.OUTLOOK.COM]", "auth.microsoft.refused", "administrator"},
	{"microsoft", "AUTH", "535 5.7.3 Authentication unsuccessful [FR0P281CA0042.DEUP281.PROD.OUTLOOK.COM]", "auth.microsoft.rejected", "Authenticated SMTP"},
	{"microsoft", "CONTENT", "550 5.7.30 Basic authentication is not supported for Client Submission.", "auth.microsoft.basic_disabled", "xoauth2"},
	{"microsoft", "MAIL", "530 5.7.57 Client not authenticated to send mail. [FR0P281CA0042.DEUP281.PROD.OUTLOOK.COM]", "auth.microsoft.required", "port 587"},
	{"exchange", "MAIL", "550 5.7.60 SMTP; Client does not have permissions to send as this sender", "sender.microsoft.send_as_denied", "Send As"},
	{"microsoft", "CONTENT", "554 5.2.252 SendAsDenied; site@example.com not allowed to send as other@example.com; STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied", "sender.microsoft.send_as_denied", "Send As"},
	{"microsoft", "CONTENT", "550 5.2.252 Sender throttled due to continuous send as denied errors.", "limit.microsoft.continuous_errors", "own address"},
	{"microsoft", "MAIL", "432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending for more information. [FR0P281CA0042.DEUP281.PROD.OUTLOOK.COM]", "limit.microsoft.connections", "3 or less"},
	{"microsoft", "CONTENT", "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process message due to a permanent exception", "limit.microsoft.recipients", "24 hours"},
	{"microsoft", "MAIL", "550 5.7.708 Service unavailable. Access denied, traffic not accepted from this IP. For more information please go to http://go.microsoft.com/fwlink/?LinkId=526653", "connect.microsoft.ip_refused", "lift the block"},
	{"microsoft", "RCPT", "550 5.7.705 Access denied, tenant has exceeded threshold", "limit.microsoft.tenant", "support"},
	{"microsoft", "CONTENT", "550 5.1.8 Access denied, bad outbound sender", "sender.microsoft.restricted", "Restricted entities"},
	{"microsoft", "CONTENT", "550 5.7.750 Service unavailable. Client blocked from sending from unregistered domains", "sender.microsoft.unregistered_domain", "verify"},
	{"microsoft", "RCPT", "550 5.7.64 TenantAttribution; Relay Access Denied SMTP", "relay.microsoft.denied", "connector"},
	{"microsoft", "MAIL", "421 4.7.66 TLS 1.0 and 1.1 are not supported. Please upgrade/update your client to support TLS 1.2. Visit https://aka.ms/smtp_auth_tls.", "tls.microsoft.too_old", "1.2"},
	{"microsoft", "RCPT", "550 5.7.515 Access denied, sending domain example.com doesn't meet the required authentication level.", "content.microsoft.unauthenticated", "doctor domain"},
	{"microsoft", "MAIL", "451 4.7.500 Server busy. Please try again later from [203.0.113.7]. (S77719)", "server.microsoft.busy", "concurrency"},
	// mailboxes
	{"yahoo", "AUTH", "535 5.7.0 (#MBR1212) Incorrect username or password", "auth.yahoo.app_password_required", "app password"},
	{"yahoo", "AUTH", "535 5.7.0 (#AUTH005) Too many bad auth attempts.", "auth.too_many_attempts", "do not test"},
	{"icloud", "AUTH", "535 5.7.8 Error: authentication failed: authentication failure", "auth.icloud.app_password_required", "account.apple.com"},
	{"icloud", "MAIL", "550 5.7.0 From address is not one of your addresses.", "sender.icloud.not_own", "force its From"},
	{"zoho", "AUTH", "535 Authentication Failed", "auth.zoho.rejected", "region"},
	{"zoho", "MAIL", "553 Relaying disallowed as other@example.com", "sender.zoho.relaying_disallowed", "alias"},
	{"zoho", "CONTENT", "550 5.4.6 Unusual sending activity detected. Please try after sometime", "sender.zoho.blocked", "browser"},
	{"zeptomail", "AUTH", "535 Authentication Failed", "auth.zeptomail.rejected", "credits"},
	{"yandex", "AUTH", "535 5.7.8 Error: authentication failed: This user does not have access rights to this service", "auth.yandex.no_access", "Email clients"},
	{"yandex", "AUTH", "535 5.7.8 Error: authentication failed: Invalid user or password!", "auth.yandex.app_password_required", "app-passwords"},
	{"yandex", "CONTENT", "554 5.7.1 [2] Message rejected under suspicion of SPAM; https://ya.cc/1IrBc", "content.yandex.spam", "less at once"},
	{"yandex", "RCPT", "553 5.7.1 Sender address rejected: not owned by auth user.", "sender.not_owned", "force its From"},
	{"mailru", "AUTH", "535 5.7.0 NEOBHODIM parol prilozheniya https://help.mail.ru/mail/security/protection/external / Application password is REQUIRED", "auth.mailru.app_password_required", "external applications"},
	{"qq", "AUTH", "535 Login Fail. Please enter your authorization code to login. More information in https://service.mail.qq.com/detail/0/53", "auth.qq.authorization_code_required", "authorisation code"},
	{"qq", "MAIL", "501 Mail from address must be same as authorization user.", "sender.qq.not_own", "address of the login"},
	{"163", "AUTH", "535 Error: authentication failed", "auth.netease.authorization_code_required", "authorisation code"},
	{"fastmail", "AUTH", "535 5.7.8 Incorrect username or password", "auth.fastmail.app_password_required", "app passwords"},
	{"fastmail", "RCPT", "551 5.7.1 Not authorised to send from this header address", "sender.fastmail.not_own", "alias"},
	{"gmx", "AUTH", "535 Authentication credentials invalid", "auth.gmx.access_off", "POP3 & IMAP"},
	{"gmx", "MAIL", "550-Requested action not taken: mailbox unavailable\n550 Sender address is not allowed.", "sender.gmx.not_own", "address of the login"},
	// services
	{"ses", "AUTH", "535 Authentication Credentials Invalid", "auth.ses.rejected", "Create SMTP credentials"},
	{"ses", "CONTENT", "554 Message rejected: Email address is not verified. The following identities failed the check in region EU-WEST-1: site@example.com", "sender.ses.not_verified", "production access"},
	{"ses", "CONTENT", "454 Throttling failure: Maximum sending rate exceeded.", "limit.ses.rate", "limit per second"},
	{"ses", "CONTENT", "454 Throttling failure: Daily message quota exceeded.", "limit.ses.daily", "24 hours"},
	{"ses", "CONTENT", "554 Access denied: User `arn:aws:iam::123456789012:user/ses' is not authorized to perform `ses:SendRawEmail' on resource `arn:aws:ses:eu-west-1:123456789012:identity/example.com'", "auth.ses.access_denied", "ses:SendRawEmail"},
	{"sendgrid", "AUTH", "535 Authentication failed: Bad username / password", "auth.sendgrid.rejected", "apikey"},
	{"sendgrid", "AUTH", "451 Authentication failed: Maximum credits exceeded", "limit.sendgrid.credits", "plan"},
	{"sendgrid", "CONTENT", "550 The from address does not match a verified Sender Identity. Mail cannot be sent until this error is resolved. Visit https://sendgrid.com/docs/for-developers/sending-email/sender-identity/ to see the Sender Identity requirements", "sender.sendgrid.not_verified", "Sender Authentication"},
	{"mailgun", "AUTH", "535 5.7.8 Authentication credentials invalid", "auth.mailgun.rejected", "smtp.eu.mailgun.org"},
	{"mailgun", "CONTENT", "550 5.7.1 Sandbox subdomains are for test purposes only. Please add your own domain or add the address to authorized recipients in Account Settings.", "account.mailgun.sandbox", "Authorized Recipients"},
	{"mailgun", "CONTENT", "421 4.7.0 Domain example.com is not allowed to send: The domain is unverified and requires DNS configuration.", "account.mailgun.not_activated", "DNS"},
	{"postmark", "AUTH", "535 5.7.8 Error: authentication failed", "auth.postmark.rejected", "Server API token"},
	{"postmark", "CONTENT", "550 5.7.1 The 'From' address you supplied (site@example.com) is not a Sender Signature on your account. Please add and confirm this address in order to be able to use it in the 'From' field of your messages.", "sender.postmark.not_confirmed", "Sender Signatures"},
	{"postmark", "CONTENT", "550 5.7.1 While your account is pending approval, all recipient addresses must share the same domain as the 'From' address.", "account.postmark.pending", "approval"},
	{"brevo", "AUTH", "535 5.7.8 Authentication failed", "auth.brevo.rejected", "xsmtpsib-"},
	{"brevo", "AUTH", "525 5.7.1 Unauthorized IP address", "connect.brevo.unauthorized_address", "Authorized IPs"},
	{"brevo", "CONTENT", "502 5.7.0 Your SMTP account is not yet activated. Contact us at contact@brevo.com to request activation", "account.brevo.not_activated", "activate"},
	{"mailjet", "AUTH", "535 5.7.8 Error: authentication failed: UGFzc3dvcmQ6", "auth.mailjet.rejected", "API key"},
	{"mailjet", "RCPT", "550 5.1.0 Sender address rejected: not validated", "sender.mailjet.not_validated", "Senders & Domains"},
	{"sparkpost", "AUTH", "535 5.7.8 Sorry.", "auth.sparkpost.rejected", "SMTP_Injection"},
	{"sparkpost", "CONTENT", "550 5.7.1 Unconfigured Sending Domain <example.com>", "sender.sparkpost.unconfigured_domain", "Sending Domains"},
	{"smtp2go", "AUTH", "535 Incorrect authentication data", "auth.smtp2go.rejected", "SMTP Users"},
	{"smtp2go", "CONTENT", "550 From header sender domain not verified (example.com)", "sender.smtp2go.not_verified", "Verified Senders"},
	{"resend", "AUTH", "535 Authentication credentials invalid", "auth.resend.rejected", "re_"},
	{"mandrill", "AUTH", "535 5.7.8 Error: authentication failed:", "auth.mandrill.rejected", "API key"},
	{"yahoo", "CONTENT", "553 5.7.1 [BL21] The From address is not one of the account's verified addresses", "sender.yahoo.not_own", "force its From"},
	{"icloud", "RCPT", "550 5.7.0 You have exceeded the daily limit of recipients", "limit.icloud.daily", "24 hours"},
	{"ses", "CONTENT", "554 Message rejected: Sending paused for this account. For more information, please check the inbox of the email address associated with your AWS account.", "account.ses.paused", "console"},
	{"postmark", "CONTENT", "550 5.7.1 You tried to send to a recipient that has been marked as inactive. Found inactive addresses: reader@example.net.", "recipient.postmark.inactive", "Suppressions"},
	{"brevo", "CONTENT", "550 5.7.1 Sending has been rejected because the sender you used site@example.com is not valid. Validate your sender or authenticate your domain", "sender.brevo.invalid", "authenticate its domain"},
	{"sparkpost", "CONTENT", "550 5.7.1 Exceeded Sending Limit (daily)", "limit.sparkpost.sending", "period"},
	// servers of one's own: words of Postfix, Exim, Dovecot, Sendmail, Exchange
	{"postfix", "AUTH", "535 5.7.8 Error: authentication failed: UGFzc3dvcmQ6", "auth.rejected", "user name"},
	{"cpanel", "AUTH", "535 Incorrect authentication data", "auth.rejected", "user name"},
	{"postfix", "AUTH", "454 4.7.0 Temporary authentication failure: Connection lost to authentication server", "auth.unavailable", "Wait"},
	{"postfix", "AUTH", "535 5.7.0 Account temporarily locked due to too many failed login attempts", "auth.too_many_attempts", "do not test"},
	{"postfix", "AUTH", "535 5.7.8 Your account has been disabled", "auth.account_locked", "browser"},
	{"postfix", "AUTH", "432 4.7.12 A password transition is needed", "auth.password_expired", "change the password"},
	{"exchange", "AUTH", "504 5.7.4 Unrecognized authentication type", "auth.mechanism_refused", "auto"},
	{"postfix", "AUTH", "530 5.7.0 Must issue a STARTTLS command first", "starttls.required", "starttls"},
	{"postfix", "MAIL", "530 5.7.0 Must issue a STARTTLS command first", "starttls.required", "starttls"},
	{"postfix", "AUTH", "538 5.7.11 Encryption required for requested authentication mechanism", "starttls.required", "starttls"},
	{"postfix", "RCPT", "554 5.7.1 <reader@example.net>: Relay access denied", "relay.denied", "mynetworks"},
	{"cpanel", "RCPT", "550 relay not permitted, authentication required", "relay.denied", "user name and password"},
	{"postfix", "RCPT", "553 5.7.1 <site@example.com>: Sender address rejected: not owned by user other@example.com", "sender.not_owned", "force its From"},
	{"postfix", "RCPT", "450 4.1.8 <www-data@localhost.localdomain>: Sender address rejected: Domain not found", "sender.domain_unknown", "domain of your own"},
	{"cpanel", "RCPT", "550-Verification failed for <wordpress@host7.example.net>\n550-No Such User Here\n550 Sender verify failed", "sender.verify_failed", "www-data@"},
	{"cpanel", "RCPT", "550 Domain example.com has exceeded the max emails per hour (26/25 (104%)) allowed. Message discarded.", "limit.hosting_hourly", "limit per hour"},
	{"postfix", "RCPT", "450 4.2.0 <reader@example.net>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/example.net.html", "recipient.greylisted", "tried again"},
	{"postfix", "RCPT", "552 5.2.2 <reader@example.net>: Recipient address rejected: mailbox is full", "recipient.mailbox_full", "another way"},
	{"postfix", "RCPT", "550 Das Postfach des Empfängers ist voll", "recipient.mailbox_full", "another way"},
	{"postfix", "RCPT", "550 5.1.1 <reader@example.net>: Recipient address rejected: User unknown in virtual mailbox table", "recipient.unknown", "typing errors"},
	{"cpanel", "RCPT", "550 La boîte n'existe pas ici", "recipient.unknown", "typing errors"},
	{"cpanel", "RCPT", "550 Unrouteable address", "recipient.domain_unknown", "domain"},
	{"postfix", "RCPT", "450 4.1.2 <reader@typo.example>: Recipient address rejected: Domain not found", "recipient.domain_unknown", "typing errors"},
	{"postfix", "RCPT", "550 5.4.4 <reader@typo.example>: Host not found", "recipient.domain_unknown", "typing errors"},
	{"cpanel", "RCPT", "550 The mail server could not deliver mail to reader@typo.example. The account or domain may not exist, they may be blacklisted, or missing the proper dns entries.", "recipient.domain_unknown", "typing errors"},
	{"cpanel", "RCPT", "550 Sender domain does not exist", "sender.domain_unknown", "domain of your own"},
	{"cpanel", "MAIL", "550 Domain not found", "sender.domain_unknown", "domain of your own"},
	{"postfix", "RCPT", "556 5.1.10 <reader@example.net>: Recipient address rejected: Domain example.net does not accept mail (nullMX)", "recipient.no_mail_domain", "domain"},
	{"postfix", "RCPT", "554 5.7.1 Service unavailable; Client host [203.0.113.7] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/203.0.113.7", "blocklist.listed", "login"},
	{"postfix", "RCPT", "554 5.7.1 Service unavailable; Client host [203.0.113.7] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/pbl/203.0.113.7", "blocklist.dynamic_address", "login"},
	{"cpanel", "RCPT", "550 Service unavailable; 203.0.113.7 is blacklisted by b.barracudacentral.org", "blocklist.listed", "login"},
	{"postfix", "RCPT", "450 4.7.25 Client host rejected: cannot find your hostname, [203.0.113.7]", "connect.no_reverse_dns", "PTR"},
	{"postfix", "RCPT", "452 4.5.3 Error: too many recipients", "limit.recipients_per_message", "recipients per message"},
	{"postfix", "MAIL", "452 4.3.1 Insufficient system storage", "server.storage", "Wait"},
	{"postfix", "MAIL", "552 5.3.4 Message size exceeds fixed limit", "content.too_large", "message_size_limit"},
	{"postfix", "MAIL", "503 5.5.1 Error: send HELO/EHLO first", "protocol.sequence", "firewall"},
	{"postfix", "CONTENT", "554 5.7.1 virus Win.Test.EICAR_HDB-1 detected by ClamAV", "content.virus", "malware"},
	{"cpanel", "CONTENT", "550 This message was classified as SPAM and may not be delivered", "content.spam", "plain text"},
	{"cpanel", "CONTENT", "550 maximum allowed line length is 998 octets, got 2017", "content.line_too_long", "encode"},
	{"postfix", "CONTENT", "550 5.7.1 Email rejected per DMARC policy for example.com", "sender.dmarc", "From domain"},
	{"postfix", "RCPT", "550 5.7.23 Message rejected due to: SPF fail - not authorized", "sender.spf", "SPF record"},
	{"postfix", "CONTENT", "451 4.3.0 Error: queue file write error", "server.trouble", "Wait"},
	{"postfix", "CONTENT", "554 5.4.6 Error: too many hops", "recipient.loop", "operator"},
	{"exchange", "AUTH", "501 5.5.4 Invalid domain name", "auth.mechanism_refused", "auto"},
	{"cpanel", "AUTH", "503 AUTH command used when not advertised", "auth.failed_server_side", "login"},
	{"postfix", "CONTENT", "550 5.7.20 No passing DKIM signature found", "sender.dkim", "DKIM"},
	{"postfix", "CONTENT", "550 5.7.26 Multiple authentication checks failed", "sender.unauthenticated", "doctor domain"},
	{"postfix", "MAIL", "501 5.1.7 Bad sender address syntax", "sender.malformed", "Correct"},
	{"cpanel", "MAIL", "550 Access denied", "sender.refused", "login"},
	{"exchange", "RCPT", "550 5.2.1 Mailbox disabled, not accepting messages", "recipient.disabled", "lists"},
	{"postfix", "RCPT", "501 5.1.3 Bad recipient address syntax", "recipient.malformed", "Correct"},
	{"cpanel", "RCPT", "550 Administrative prohibition", "recipient.refused", "server's words"},
	{"cpanel", "CONTENT", "552 Message refused", "content.no_room", "link"},
	{"cpanel", "CONTENT", "550 This message has an attachment with a forbidden extension", "content.attachment_blocked", "link"},
	{"cpanel", "CONTENT", "550 Messages missing a Date header are not RFC 5322 compliant", "content.bad_header", "structured"},
	{"postfix", "RCPT", "450 4.7.1 Error: too much mail from 203.0.113.7", "limit.reached", "tried again"},
	{"cpanel", "CONTENT", "550 Your sending quota has been used up for today", "limit.sending_quota", "period"},
	{"cpanel", "CONTENT", "550 Rejected after content scanning", "content.refused", "without links"},
	{"postfix", "MAIL", "421 4.4.2 mail.example.com Error: timeout exceeded", "server.closing", "tried again"},
	{"cpanel", "CONNECT", "421 Too many concurrent SMTP connections; please try again later.", "greeting.too_many_connections", "concurrency"},
	{"ses", "CONNECT", "421 Too many concurrent SMTP connections", "greeting.too_many_connections", "concurrency"},
	{"postfix", "CONNECT", "421 4.3.2 All server ports are busy", "greeting.unavailable", "Wait"},
	{"postfix", "CONNECT", "554 5.7.1 No SMTP service here", "greeting.refused", "submission"},
	{"cpanel", "EHLO", "501 Syntactically invalid HELO argument(s)", "ehlo.name_refused", "EHLO name"},
	{"postfix", "EHLO", "502 5.5.2 Error: command not recognized", "ehlo.not_supported", "inspect"},
}

// stageOf is the stage at which an event is answered.
var stageOf = map[string]string{"CONNECT": "greeting", "EHLO": "ehlo", "AUTH": "auth", "MAIL": "mail", "RCPT": "rcpt", "CONTENT": "content"}

func playAnswer(t *testing.T, a answer) {
	t.Helper()
	of, ok := servers[a.server]
	if !ok {
		t.Fatalf("there is no server %q", a.server)
	}
	s := scripted(t, of[0], strings.ReplaceAll(of[1], "\n", "\r\n"), a.on, strings.Split(a.reply, "\n")...)
	if a.on == "CONTENT" {
		s.request.Message = message()
	}
	expect(t, s.play(t), stageOf[a.on], a.code, a.remedy)
}

// unmatched are refusals of which nobody can know the meaning. The banners are
// those of the servers above, and say nothing about the failure.
var unmatched = []answer{
	{"postfix", "AUTH", "555 5.9.9 Ugyldig forespørgsel", "auth.unexplained", ""},
	{"cpanel", "AUTH", "599 no", "auth.unexplained", ""},
	{"microsoft", "AUTH", "556 5.7.999 Something new", "auth.unexplained", ""},
	{"gmail", "AUTH", "571 5.0.0 Nope - gsmtp", "auth.unexplained", ""},
	{"cpanel", "MAIL", "571 5.0.0 Nicht heute", "mail.unexplained", ""},
	{"gmail", "MAIL", "555 5.5.2 Syntax error, goodbye. - gsmtp", "mail.unexplained", ""},
	{"microsoft", "MAIL", "501 5.5.4 Invalid arguments", "mail.unexplained", ""},
	{"ses", "MAIL", "500 5.0.0 hm", "mail.unexplained", ""},
	{"cpanel", "MAIL", "555 5.9.1 dommage", "mail.unexplained", ""},
	{"cpanel", "RCPT", "571 5.9.0 computer says no", "rcpt.unexplained", ""},
	{"cpanel", "RCPT", "521 5.0.0 niet vandaag", "rcpt.unexplained", ""},
	{"yandex", "RCPT", "555 5.9.0 нельзя", "rcpt.unexplained", ""},
	{"sendgrid", "RCPT", "500 5.0.0 x", "rcpt.unexplained", ""},
	{"mailgun", "RCPT", "570 5.0.0 y", "rcpt.unexplained", ""},
	{"cpanel", "CONTENT", "555 5.9.0 z", "content.unexplained", ""},
	{"postmark", "CONTENT", "500 5.0.0 z", "content.unexplained", ""},
	{"cpanel", "CONTENT", "573 5.0.0 whatever", "content.unexplained", ""},
	{"gmail", "CONTENT", "593 5.9.8 qwerty - gsmtp", "content.unexplained", ""},
	{"postfix", "EHLO", "571 5.0.0 q", "ehlo.unexplained", ""},
	{"postfix", "CONNECT", "593 5.0.0 q", "greeting.unexplained", ""},
	{"cpanel", "EHLO", "593 q", "ehlo.unexplained", ""},
}
