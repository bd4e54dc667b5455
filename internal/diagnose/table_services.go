package diagnose

import "github.com/postilion-mail/postilion/plugin"

const (
	sesErrors       = "https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-smtp.html"
	sesCredentials  = "https://docs.aws.amazon.com/ses/latest/dg/smtp-credentials.html"
	sesSandbox      = "https://docs.aws.amazon.com/ses/latest/dg/request-production-access.html"
	sesMessages     = "https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-error-messages.html"
	sendgridErrors  = "https://www.twilio.com/docs/sendgrid/for-developers/sending-email/smtp-errors-and-troubleshooting"
	sendgridKey     = "https://www.twilio.com/docs/sendgrid/for-developers/sending-email/integrating-with-the-smtp-api"
	sendgridSender  = "https://www.twilio.com/docs/sendgrid/for-developers/sending-email/sender-identity"
	mailgunLogin    = "https://help.mailgun.com/hc/en-us/articles/203380100"
	mailgunSandbox  = "https://help.mailgun.com/hc/en-us/articles/217531258"
	postmarkSMTP    = "https://postmarkapp.com/developer/user-guide/send-email-with-smtp"
	postmarkSender  = "https://postmarkapp.com/support/article/846-how-do-i-add-a-sender-signature"
	postmarkPending = "https://postmarkapp.com/support/article/1084-how-does-the-account-approval-process-work"
	brevoTrouble    = "https://help.brevo.com/hc/en-us/articles/115000188150"
	brevoAddresses  = "https://help.brevo.com/hc/en-us/articles/5740111683858"
	mailjetSMTP     = "https://documentation.mailjet.com/hc/en-us/articles/360043229473"
	sparkpostSMTP   = "https://developers.sparkpost.com/api/smtp/"
	sparkpostErrors = "https://support.sparkpost.com/docs/faq/smtp-connection-problems"
	smtp2goErrors   = "https://support.smtp2go.com/hc/en-gb/articles/13990494697369"
	resendSMTP      = "https://resend.com/docs/send-with-smtp"
	mandrillSMTP    = "https://mailchimp.com/developer/transactional/docs/smtp-integration/"
)

// all of a transaction
var transaction = []plugin.Phase{plugin.PhaseMail, plugin.PhaseRecipient, plugin.PhaseData, plugin.PhaseContent}

// services are those that send for applications.
var services = []entry{
	{
		code: "auth.ses.rejected", providers: []string{"ses"}, phases: []plugin.Phase{plugin.PhaseAuth}, replies: []int{535}, needsChange: true,
		title:       "Amazon SES does not accept the login",
		explanation: "SES has SMTP credentials of its own, made for one region; the access key and secret of IAM do not work as they are.",
		remedies: []string{
			"In the SES console of this host's region open SMTP settings, Create SMTP credentials, and give user name and password from there.",
			"Check that the host names the region in which the credentials were made, such as email-smtp.eu-west-1.amazonaws.com.",
		},
		link: sesCredentials, source: sesErrors,
	},
	{
		code: "sender.ses.not_verified", providers: []string{"ses"}, phases: transaction, replies: []int{554}, says: []string{"email address is not verified", "not verified"}, needsChange: true, blame: plugin.BlameSender,
		title:       "Amazon SES does not know an address of this message",
		explanation: "The sender, or its domain, is not verified in this region. While the account is in the sandbox, recipients have to be verified, too. The reply names the address.",
		remedies: []string{
			"Verify the sender's domain or address in the SES console, in the region of this host.",
			"If the reply names a recipient: ask AWS for production access, which ends the sandbox.",
		},
		link: sesSandbox, source: sesMessages,
	},
	{
		code: "limit.ses.rate", providers: []string{"ses"}, replies: []int{454}, says: []string{"maximum sending rate exceeded"}, blame: plugin.BlameLimit,
		title:       "Too many messages a second for Amazon SES",
		explanation: "The account may send only so many messages a second; the console shows how many.",
		remedies:    []string{"Wait; it is tried again by itself.", "Set the limit per second of this connection to the account's."},
		link:        "https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas.html", source: sesErrors,
	},
	{
		code: "limit.ses.daily", providers: []string{"ses"}, replies: []int{454}, says: []string{"daily message quota exceeded"}, blame: plugin.BlameLimit,
		title:       "The daily quota at Amazon SES is used up",
		explanation: "In the sandbox that is 200 messages in 24 hours.",
		remedies:    []string{"Wait up to 24 hours.", "Ask AWS for production access or a higher quota.", "Set the limit per day of this connection to the account's."},
		link:        sesSandbox, source: sesErrors,
	},
	{
		code: "account.ses.paused", providers: []string{"ses"}, says: []string{"sending paused", "sending suspended"}, needsChange: true, blame: plugin.BlameConnection,
		title:       "Amazon has stopped sending for this account",
		explanation: "Sending is paused for the account, for bounces or complaints, or by somebody of your own.",
		remedies:    []string{"Open the SES console: the account dashboard says why and what to do."},
		link:        "https://docs.aws.amazon.com/ses/latest/dg/faqs-enforcement.html", source: sesMessages,
	},
	{
		code: "auth.ses.access_denied", providers: []string{"ses"}, phases: append([]plugin.Phase{plugin.PhaseAuth}, transaction...), replies: []int{554, 530}, says: []string{"access denied", "not authorized to perform"}, needsChange: true, blame: plugin.BlameAuth,
		title:       "The SES user may not send",
		explanation: "The IAM policy of these credentials does not allow ses:SendRawEmail for this sender.",
		remedies:    []string{"Add ses:SendRawEmail to the policy of the user, for the identity of the sender."},
		link:        sesCredentials, source: sesErrors,
	},
	{
		code: "limit.sendgrid.credits", providers: []string{"sendgrid"}, says: []string{"maximum credits exceeded"}, needsChange: true, blame: plugin.BlameLimit,
		title:       "The SendGrid account has no credits left",
		explanation: "The plan's number of messages is used up, the trial has ended, or a payment failed. The API key may well be right.",
		remedies: []string{
			"Open Settings, Account Details, Your Products in SendGrid, and check plan and payment.",
			"Wait until the plan's period begins anew.",
		},
		link: sendgridErrors, source: sendgridErrors,
	},
	{
		code: "auth.sendgrid.rejected", providers: []string{"sendgrid"}, phases: []plugin.Phase{plugin.PhaseAuth}, needsChange: true, replies: []int{535, 550, 451, 403},
		title:       "SendGrid does not accept the login",
		explanation: "The user name has to be the word apikey, as it is, and the password an API key that may send mail.",
		remedies: []string{
			"Give apikey as the user name.",
			"Give an API key (it begins with SG.) with the permission Mail Send as the password.",
			"If the account restricts addresses (IP Access Management), allow this server's.",
		},
		link: sendgridKey, source: sendgridErrors,
	},
	{
		code: "sender.sendgrid.not_verified", providers: []string{"sendgrid"}, phases: transaction, says: []string{"verified sender identity", "not authorized to send from"}, needsChange: true, blame: plugin.BlameSender,
		title:       "SendGrid does not know this sender",
		explanation: "The From address belongs to no verified sender and no authenticated domain of the account.",
		remedies: []string{
			"In SendGrid open Settings, Sender Authentication, and authenticate the domain or verify the address.",
			"Or use a sender that is verified already; let the connection force its From address.",
		},
		link: sendgridSender, source: sendgridErrors,
	},
	{
		code: "account.mailgun.sandbox", providers: []string{"mailgun"}, says: []string{"for test purposes only", "sandbox subdomains are for test", "authorized recipients"}, needsChange: true, blame: plugin.BlameConnection,
		title:       "This Mailgun domain is for tests only",
		explanation: "A sandbox domain, or an account without a payment method, sends to authorised recipients only.",
		remedies: []string{
			"Add your own domain in Mailgun, verify it, and use its SMTP login.",
			"For a test add the recipient under Authorized Recipients, and have it confirmed.",
		},
		link: mailgunSandbox, source: mailgunSandbox,
	},
	{
		code: "account.mailgun.not_activated", providers: []string{"mailgun"}, says: []string{"activate your mailgun account", "not allowed to send", "account disabled", "domain * is not allowed"}, needsChange: true, blame: plugin.BlameConnection,
		title:       "Mailgun does not let this account or domain send",
		explanation: "The account is not activated or was disabled, or the domain is not verified.",
		remedies: []string{
			"Log in to Mailgun: the dashboard says what is missing.",
			"Check the DNS records of the domain under Sending, Domain settings.",
		},
		link: mailgunLogin, source: mailgunLogin,
	},
	{
		code: "auth.mailgun.rejected", providers: []string{"mailgun"}, phases: []plugin.Phase{plugin.PhaseAuth}, replies: []int{535}, needsChange: true,
		title:       "Mailgun does not accept the login",
		explanation: "Each domain has SMTP credentials of its own; the API key does not work, and EU domains have a host of their own.",
		remedies: []string{
			"In Mailgun open Sending, Domain settings, SMTP credentials, and reset the password of the login there.",
			"For a domain in the EU region use the host smtp.eu.mailgun.org.",
		},
		link: mailgunLogin, source: mailgunLogin,
	},
	{
		code: "auth.postmark.rejected", providers: []string{"postmark"}, phases: []plugin.Phase{plugin.PhaseAuth}, replies: []int{535}, needsChange: true,
		title:       "Postmark does not accept the login",
		explanation: "User name and password are both the Server API token, or the access key and secret key of an SMTP token; the account token does not work.",
		remedies: []string{
			"In Postmark open the server, API Tokens, and give the Server API token as user name and as password.",
			"Check that SMTP is on for the message stream.",
		},
		link: postmarkSMTP, source: postmarkSMTP,
	},
	{
		code: "sender.postmark.not_confirmed", providers: []string{"postmark"}, says: []string{"sender signature"}, needsChange: true, blame: plugin.BlameSender,
		title:       "Postmark does not know this sender",
		explanation: "The From address is no confirmed Sender Signature, and its domain is not verified.",
		remedies: []string{
			"Add the address or verify the domain in Postmark under Sender Signatures.",
			"Or use a sender that is confirmed already; let the connection force its From address.",
		},
		link: postmarkSender, source: postmarkSender,
	},
	{
		code: "account.postmark.pending", providers: []string{"postmark"}, says: []string{"pending approval"}, needsChange: true, blame: plugin.BlameConnection,
		title:       "Postmark has not approved this account yet",
		explanation: "Until then it takes mail only to addresses in the sender's own domain.",
		remedies:    []string{"Ask for approval in Postmark.", "For a test send to an address in the domain of the sender."},
		link:        postmarkPending, source: postmarkPending,
	},
	{
		code: "recipient.postmark.inactive", providers: []string{"postmark"}, says: []string{"inactive recipient", "marked as inactive", "inactive addresses"}, needsChange: true, blame: plugin.BlameRecipient,
		title:       "Postmark does not write to this address any more",
		explanation: "An earlier message bounced or was complained about, so that Postmark has made the address inactive.",
		remedies:    []string{"Check the address for typing errors.", "Reactivate it in Postmark under Suppressions, if its owner wants your mail."},
		link:        "https://postmarkapp.com/support/article/1056", source: "https://postmarkapp.com/developer/api/overview",
	},
	{
		code: "connect.brevo.unauthorized_address", providers: []string{"brevo"}, says: []string{"unauthorized ip"}, needsChange: true, blame: plugin.BlameConnection,
		title:       "Brevo does not know this server's address",
		explanation: "Brevo blocks unknown IP addresses for the account's SMTP keys. The key may well be right.",
		remedies: []string{
			"In Brevo open Settings, Security, Authorized IPs, and add the public IP address of this server.",
			"Or switch the blocking of unknown addresses off there.",
		},
		link: brevoAddresses, source: brevoAddresses,
	},
	{
		code: "account.brevo.not_activated", providers: []string{"brevo"}, says: []string{"not yet activated", "account is not activated", "account suspended"}, needsChange: true, blame: plugin.BlameConnection,
		title:       "Brevo has not activated SMTP for this account",
		explanation: "New accounts have to be activated for transactional mail, and suspended ones released.",
		remedies:    []string{"Ask Brevo's support to activate the account for transactional mail (SMTP).", "Complete the profile of the account in Brevo."},
		link:        brevoTrouble, source: brevoTrouble,
	},
	{
		code: "auth.brevo.rejected", providers: []string{"brevo"}, phases: []plugin.Phase{plugin.PhaseAuth}, replies: []int{535}, needsChange: true,
		title:       "Brevo does not accept the login",
		explanation: "The password has to be an SMTP key; neither the API key nor the password of the account works.",
		remedies: []string{
			"In Brevo open SMTP & API, SMTP, and generate an SMTP key (it begins with xsmtpsib-).",
			"Give the login that is shown there as the user name.",
		},
		link: brevoTrouble, source: brevoTrouble,
	},
	{
		code: "sender.brevo.invalid", providers: []string{"brevo"}, phases: transaction, says: []string{"sender * is not valid", "sender is not valid", "sender you used", "valid sender"}, needsChange: true, blame: plugin.BlameSender,
		title:       "Brevo does not know this sender",
		explanation: "The From address is no validated sender, and its domain is not authenticated.",
		remedies:    []string{"In Brevo open Senders, Domains & Dedicated IPs, and add the sender or authenticate its domain."},
		link:        brevoTrouble, source: brevoTrouble,
	},
	{
		code: "auth.mailjet.rejected", providers: []string{"mailjet"}, phases: []plugin.Phase{plugin.PhaseAuth}, replies: []int{535}, needsChange: true,
		title:       "Mailjet does not accept the login",
		explanation: "User name and password are the API key and the secret key.",
		remedies: []string{
			"In Mailjet open Account settings, REST API, API Key Management, and give API key and secret key.",
			"Check that the account is not suspended.",
		},
		link: mailjetSMTP, source: mailjetSMTP,
	},
	{
		code: "sender.mailjet.not_validated", providers: []string{"mailjet"}, phases: transaction, replies: []int{550, 554}, says: []string{"sender", "from address"}, needsChange: true, blame: plugin.BlameSender,
		title:       "Mailjet does not know this sender",
		explanation: "The From address, or its domain, is not validated in the account.",
		remedies:    []string{"In Mailjet open Senders & Domains, and validate the address or its domain."},
		link:        mailjetSMTP, source: mailjetSMTP,
	},
	{
		code: "auth.sparkpost.rejected", providers: []string{"sparkpost"}, phases: []plugin.Phase{plugin.PhaseAuth}, replies: []int{535, 550}, needsChange: true,
		title:       "SparkPost does not accept the login",
		explanation: "The user name has to be SMTP_Injection, as it is, and the password an API key that may send by SMTP.",
		remedies: []string{
			"Give SMTP_Injection as the user name.",
			"Give an API key with the permission Send via SMTP as the password.",
			"For an account in the EU use the host smtp.eu.sparkpostmail.com.",
		},
		link: sparkpostSMTP, source: sparkpostSMTP,
	},
	{
		code: "sender.sparkpost.unconfigured_domain", providers: []string{"sparkpost"}, says: []string{"unconfigured sending domain", "unconfigured or unverified", "sending domain"}, needsChange: true, blame: plugin.BlameSender,
		title:       "SparkPost does not know the sender's domain",
		explanation: "The domain of the From address is no verified sending domain of the account.",
		remedies:    []string{"Add and verify the domain in SparkPost under Sending Domains."},
		link:        sparkpostErrors, source: sparkpostErrors,
	},
	{
		code: "limit.sparkpost.sending", providers: []string{"sparkpost"}, says: []string{"sending limit", "exceeded sending", "resource limits"}, blame: plugin.BlameLimit,
		title:       "The sending limit at SparkPost is reached",
		explanation: "The account's limit for an hour, a day or a month is used up.",
		remedies:    []string{"Wait until the period is over.", "Ask for a higher limit in SparkPost."},
		link:        sparkpostErrors, source: sparkpostErrors,
	},
	{
		code: "auth.smtp2go.rejected", providers: []string{"smtp2go"}, phases: []plugin.Phase{plugin.PhaseAuth}, replies: []int{535}, needsChange: true,
		title:       "SMTP2GO does not accept the login",
		explanation: "SMTP users have names and passwords of their own; those of the account do not work.",
		remedies:    []string{"In SMTP2GO open Sending, SMTP Users, and copy user name and password from there."},
		link:        smtp2goErrors, source: smtp2goErrors,
	},
	{
		code: "sender.smtp2go.not_verified", providers: []string{"smtp2go"}, says: []string{"not verified"}, needsChange: true, blame: plugin.BlameSender,
		title:       "SMTP2GO does not know this sender",
		explanation: "The sender's domain or address is not verified in the account.",
		remedies:    []string{"In SMTP2GO open Sending, Verified Senders, and verify the domain."},
		link:        smtp2goErrors, source: smtp2goErrors,
	},
	{
		code: "auth.resend.rejected", providers: []string{"resend"}, phases: []plugin.Phase{plugin.PhaseAuth}, replies: []int{535, 450, 451}, needsChange: true,
		title:       "Resend does not accept the login",
		explanation: "The user name has to be the word resend, as it is, and the password an API key.",
		remedies:    []string{"Give resend as the user name, and an API key (it begins with re_) as the password."},
		link:        resendSMTP, source: resendSMTP,
	},
	{
		code: "auth.mandrill.rejected", providers: []string{"mandrill"}, phases: []plugin.Phase{plugin.PhaseAuth}, replies: []int{535}, needsChange: true,
		title:       "Mailchimp Transactional does not accept the login",
		explanation: "The password has to be an API key of Transactional (Mandrill); a key of Mailchimp itself does not work.",
		remedies:    []string{"In Mailchimp Transactional open Settings, SMTP & API Info, and give an API key as the password; the user name may be anything."},
		link:        mandrillSMTP, source: mandrillSMTP,
	},
}
