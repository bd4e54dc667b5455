package diagnose

import "github.com/postilion-mail/postilion/plugin"

const (
	microsoftAuth     = "https://learn.microsoft.com/exchange/clients-and-mobile-in-exchange-online/authenticated-client-smtp-submission"
	microsoftDevices  = "https://learn.microsoft.com/exchange/mail-flow-best-practices/fix-issues-with-printers-scanners-and-lob-applications-that-send-email-using-off"
	microsoftNDR      = "https://learn.microsoft.com/exchange/mail-flow-best-practices/non-delivery-reports-in-exchange-online/non-delivery-reports-in-exchange-online"
	microsoftBasic    = "https://techcommunity.microsoft.com/blog/exchange/updated-exchange-online-smtp-auth-basic-authentication-deprecation-timeline/4489835"
	microsoftSendAs   = "https://learn.microsoft.com/exchange/recipients-in-exchange-online/manage-permissions-for-recipients"
	microsoftLimits   = "https://learn.microsoft.com/office365/servicedescriptions/exchange-online-service-description/exchange-online-limits"
	microsoftThrottle = "https://learn.microsoft.com/exchange/mail-flow-best-practices/continuous-error-throttling-smtp-auth-submissions"
	microsoftThreads  = "https://techcommunity.microsoft.com/blog/exchange/changes-coming-to-the-smtp-authenticated-submission-client-protocol/607825"
	microsoftPersonal = "https://support.microsoft.com/office/modern-authentication-methods-now-needed-to-continue-syncing-outlook-email-in-non-microsoft-email-apps-c5d65390-9676-4763-b41f-d7986499a90d"
	microsoftDefaults = "https://learn.microsoft.com/entra/fundamentals/security-defaults"
)

// microsoft are smtp.office365.com and smtp-mail.outlook.com, and where codes
// are the same, Exchange on premises.
var microsoft = []entry{
	{
		code: "auth.microsoft.smtp_auth_disabled_tenant", phases: []plugin.Phase{plugin.PhaseAuth}, enhanced: []string{"5.7.139"}, says: []string{"smtpclientauthentication is disabled*tenant"}, needsChange: true, blame: plugin.BlameConnection,
		title:       "SMTP login is switched off for the whole organisation",
		explanation: "The password may be right: Microsoft 365 did not look at it, because an administrator or the default has switched off SMTP AUTH for the tenant.",
		remedies: []string{
			"Have an administrator allow it for this mailbox: admin center, Users, the user, Mail, Manage email apps, Authenticated SMTP. That takes up to an hour.",
			"Or in PowerShell: Set-CASMailbox -Identity {username|USER} -SmtpClientAuthenticationDisabled $false",
			"Better: use OAuth (xoauth2), since Microsoft 365 is giving up passwords over SMTP.",
		},
		link: "https://aka.ms/smtp_auth_disabled", source: microsoftAuth,
	},
	{
		code: "auth.microsoft.smtp_auth_disabled_mailbox", phases: []plugin.Phase{plugin.PhaseAuth}, enhanced: []string{"5.7.139"}, says: []string{"smtpclientauthentication is disabled*mailbox"}, needsChange: true, blame: plugin.BlameConnection,
		title:       "SMTP login is switched off for this mailbox",
		explanation: "The password may be right: Microsoft 365 did not look at it, because SMTP AUTH is off for this mailbox.",
		remedies: []string{
			"Have an administrator allow it: admin center, Users, the user, Mail, Manage email apps, Authenticated SMTP. That takes up to an hour.",
			"Or in PowerShell: Set-CASMailbox -Identity {username|USER} -SmtpClientAuthenticationDisabled $false",
		},
		link: "https://aka.ms/smtp_auth_disabled", source: microsoftAuth,
	},
	{
		code: "auth.microsoft.security_defaults", phases: []plugin.Phase{plugin.PhaseAuth}, enhanced: []string{"5.7.139"}, says: []string{"security defaults policy"}, needsChange: true, blame: plugin.BlameConnection,
		title:       "The organisation's security defaults forbid passwords over SMTP",
		explanation: "Security defaults of Microsoft Entra block every login without a second factor; SMTP with a password is one.",
		remedies: []string{
			"Use OAuth (xoauth2) for this connection.",
			"Or have an administrator replace the security defaults by Conditional Access policies that leave out this one account.",
			"Or send through a connector or another provider, which needs no mailbox login.",
		},
		link: microsoftDefaults, source: microsoftAuth,
	},
	{
		code: "auth.microsoft.conditional_access", phases: []plugin.Phase{plugin.PhaseAuth}, enhanced: []string{"5.7.139"}, says: []string{"did not meet the criteria"}, needsChange: true, blame: plugin.BlameConnection,
		title:       "A policy of the organisation refused this login",
		explanation: "User name and password were not the reason: Conditional Access, an authentication policy or the second factor does not allow this way to log in.",
		remedies: []string{
			"Have an administrator look at the sign-in log of this user in Microsoft Entra: it names the policy.",
			"Have an account left out of that policy for sending, or use OAuth (xoauth2).",
		},
		link: microsoftAuth, source: microsoftDevices,
	},
	{
		code: "auth.microsoft.basic_disabled", phases: []plugin.Phase{plugin.PhaseAuth, plugin.PhaseMail, plugin.PhaseData, plugin.PhaseContent},
		says: []string{"basic authentication is disabled", "basic authentication is not supported"}, needsChange: true, blame: plugin.BlameConnection,
		title:       "Microsoft takes no passwords here any more",
		explanation: "This account can send over SMTP with OAuth only (basic authentication is off), so no password will work, not an app password either.",
		remedies: []string{
			"Set the authentication of this connection to xoauth2 and give an access token of this account.",
			"In a company's Microsoft 365, an administrator may be able to switch it on once more; it ends for good.",
			"Or send through another provider.",
		},
		link: microsoftPersonal, source: microsoftBasic,
	},
	{
		code: "auth.microsoft.credentials", phases: []plugin.Phase{plugin.PhaseAuth}, enhanced: []string{"5.7.139"}, says: []string{"credentials were incorrect"}, needsChange: true,
		title:       "Microsoft says that user name or password is wrong",
		explanation: "SMTP login is allowed for the account; this is about the credentials themselves.",
		remedies: []string{
			"Log in at https://outlook.office.com with the same user name and password; change the password if it has expired.",
			"With a second factor on the account, make an app password, if the organisation allows that, or use OAuth.",
			"As user name give the sign-in name of the account, not an alias.",
		},
		link: microsoftAuth, source: microsoftDevices,
	},
	{
		code: "auth.microsoft.refused", phases: []plugin.Phase{plugin.PhaseAuth}, enhanced: []string{"5.7.139"}, needsChange: true,
		title:       "A setting of the organisation refused this login",
		explanation: "Microsoft answers 5.7.139 when a policy or a switch, rather than the password, stands in the way; its words tell which.",
		remedies: []string{
			"Have an administrator look at the sign-in log of this user in Microsoft Entra.",
			"Have Authenticated SMTP allowed for the mailbox: admin center, Users, Mail, Manage email apps.",
		},
		link: microsoftAuth, source: microsoftDevices,
	},
	{
		code: "auth.microsoft.rejected", providers: []string{"microsoft"}, phases: []plugin.Phase{plugin.PhaseAuth}, replies: []int{535}, enhanced: []string{"5.7.3"}, needsChange: true,
		title:       "Microsoft does not accept this login",
		explanation: "The password is wrong, or passwords are not allowed for this account: Microsoft gives the same answer to both.",
		remedies: []string{
			"Log in at https://outlook.office.com with the same user name and password.",
			"Have an administrator check that Authenticated SMTP is on for the mailbox and look at its sign-in log.",
			"With OAuth: check that the token is for this user and has the scope SMTP.Send.",
		},
		link: microsoftAuth, source: microsoftDevices,
	},
	{
		code: "auth.microsoft.required", phases: []plugin.Phase{plugin.PhaseMail, plugin.PhaseRecipient, plugin.PhaseData, plugin.PhaseContent}, enhanced: []string{"5.7.57"}, needsChange: true,
		title:       "Microsoft wants a login before it takes mail",
		explanation: "No login was made, or it was not on a protected session; smtp.office365.com takes no mail from strangers.",
		remedies: []string{
			"Give user name and password (or an OAuth token) of a mailbox, with port 587 and security starttls.",
			"To send without login, use the MX host of your domain with a connector, for your own recipients only.",
		},
		link: microsoftDevices, source: microsoftDevices,
	},
	{
		code: "sender.microsoft.send_as_denied", enhanced: []string{".7.60"}, says: []string{"sendasdenied"}, either: true, needsChange: true, blame: plugin.BlameSender,
		title:       "This login may not send as this sender",
		explanation: "Exchange lets a mailbox send with its own addresses only, unless it was given the right Send As.",
		remedies: []string{
			"Use the mailbox's own address as sender; let the connection force its From address.",
			"Or have an administrator grant {username|the login} the permission Send As on the sender's mailbox. That takes up to an hour.",
		},
		link: microsoftSendAs, source: microsoftDevices,
	},
	{
		code: "limit.microsoft.continuous_errors", enhanced: []string{".2.251", ".2.252", ".2.253", ".2.254", ".2.255"}, needsChange: true, blame: plugin.BlameSender,
		title:       "Microsoft has stopped this mailbox for repeated errors",
		explanation: "The same mistake came too often, so that the mailbox may not send over SMTP for a while: 5.2.251 mailbox full, 5.2.252 sender not allowed, 5.2.253 no licence, 5.2.254 too many recipients, 5.2.255 invalid recipients.",
		remedies: []string{
			"Correct the mistake that the code names; with 5.2.252 use the mailbox's own address as sender.",
			"Wait until Microsoft lifts the stop.",
		},
		link: microsoftThrottle, source: microsoftThrottle,
	},
	{
		code: "limit.microsoft.connections", providers: []string{"microsoft"}, phases: []plugin.Phase{plugin.PhaseGreeting, plugin.PhaseHello, plugin.PhaseAuth, plugin.PhaseMail, plugin.PhaseRecipient, plugin.PhaseData, plugin.PhaseContent},
		replies: []int{432, 421, 430}, enhanced: []string{"4.3.2"}, blame: plugin.BlameLimit,
		title:       "Too many connections at once for this mailbox",
		explanation: "Exchange Online allows three connections at a time and 30 messages a minute for a mailbox.",
		remedies: []string{
			"Wait; it is tried again by itself.",
			"Set the concurrency of this connection to 3 or less, and its limit per minute to 30.",
			"Stop other programs that send with the same mailbox.",
		},
		link: microsoftLimits, source: microsoftThreads,
	},
	{
		code: "limit.microsoft.recipients", enhanced: []string{"5.1.90"}, says: []string{"submissionquotaexceeded", "submission quota"}, either: true, blame: plugin.BlameLimit,
		title:       "The mailbox has reached its sending limit at Microsoft",
		explanation: "Exchange Online allows 10,000 recipients a day for a mailbox, and fewer for new or trial organisations.",
		remedies: []string{
			"Wait up to 24 hours.",
			"Set the limit per day of this connection to the one of the mailbox.",
		},
		link: microsoftLimits, source: microsoftLimits,
	},
	{
		code: "sender.microsoft.restricted", providers: []string{"microsoft"}, enhanced: []string{"5.1.8"}, needsChange: true, blame: plugin.BlameSender,
		title:       "Microsoft has blocked this mailbox from sending",
		explanation: "It sent what looked like spam, perhaps because somebody else knows its password.",
		remedies: []string{
			"Change the password, and look for forwarding rules that you do not know.",
			"Have an administrator release the user: Microsoft Defender, Email & collaboration, Review, Restricted entities.",
		},
		link: "https://learn.microsoft.com/defender-office-365/outbound-spam-restore-restricted-users", source: microsoftNDR,
	},
	{
		code: "limit.microsoft.tenant", enhanced: []string{"5.7.705"}, needsChange: true, blame: plugin.BlameLimit,
		title:       "Microsoft has stopped the organisation's mail",
		explanation: "Too much suspicious mail left the tenant, or it is a trial, so that its mailboxes may not send for now.",
		remedies: []string{
			"Have an administrator find out which mailbox sent it, and then ask Microsoft's support to lift the block.",
			"Until then send through another provider.",
		},
		link: microsoftNDR, source: microsoftNDR,
	},
	{
		code: "connect.microsoft.ip_refused", enhanced: []string{"5.7.708", "5.7.606", "5.7.511"}, needsChange: true, blame: plugin.BlameConnection,
		title:       "Microsoft takes no mail from this address",
		explanation: "The IP address from which this server reaches Microsoft has a bad reputation or none, as those of new servers and trial tenants have.",
		remedies: []string{
			"Have an administrator ask Microsoft's support to lift the block (5.7.708), or ask for delisting at https://sender.office.com (5.7.606, 5.7.511).",
			"Until then send through another provider.",
		},
		link: microsoftNDR, source: microsoftNDR,
	},
	{
		code: "sender.microsoft.unregistered_domain", enhanced: []string{"5.7.750"}, needsChange: true, blame: plugin.BlameSender,
		title:       "The sender's domain is not registered with Microsoft 365",
		explanation: "Too much mail came from domains that the tenant has not added and verified.",
		remedies:    []string{"Have an administrator add and verify the sender's domain in the Microsoft 365 admin center, or use a sender of a verified one."},
		link:        microsoftNDR, source: microsoftNDR,
	},
	{
		code: "relay.microsoft.denied", enhanced: []string{"5.7.64", "5.7.54", "5.4.1", "5.7.367", "5.7.368"}, says: []string{"relay", "tenantattribution"}, needsChange: true, blame: plugin.BlameConnection,
		title:       "Microsoft does not relay for this server",
		explanation: "Without login Microsoft takes mail only for your own domains, or from servers that a connector names by IP address or certificate.",
		remedies: []string{
			"Log in: smtp.office365.com, port 587, security starttls, with a mailbox.",
			"Or have an administrator set up a connector for this server's public IP address, and check that the address is still right.",
		},
		link: microsoftDevices, source: microsoftNDR,
	},
	{
		code: "tls.microsoft.too_old", enhanced: []string{"4.7.66", "4.7.67"}, needsChange: true, blame: plugin.BlameConnection,
		title:       "Microsoft wants TLS 1.2",
		explanation: "The session used an older version of TLS. Postilion uses at least 1.2 unless told otherwise, so something between the two may have lowered it.",
		remedies: []string{
			"Set the minimum TLS version of this connection to 1.2.",
			"Check for a firewall or mail proxy that takes TLS apart.",
		},
		link: "https://learn.microsoft.com/exchange/clients-and-mobile-in-exchange-online/opt-in-exchange-online-endpoint-for-legacy-tls-using-smtp-auth", source: "https://learn.microsoft.com/exchange/clients-and-mobile-in-exchange-online/opt-in-exchange-online-endpoint-for-legacy-tls-using-smtp-auth",
	},
	{
		code: "content.microsoft.unauthenticated", enhanced: []string{"5.7.515", "5.7.509"}, needsChange: true, blame: plugin.BlameSender,
		title:       "The sender's domain does not vouch for this mail",
		explanation: "Microsoft refused the message since SPF, DKIM or DMARC of the From domain do not fit it.",
		remedies: []string{
			"Publish the SPF, DKIM and DMARC records that your provider names for the sender's domain.",
			"Check them: postilion doctor domain DOMAIN",
		},
		link: "https://learn.microsoft.com/defender-office-365/email-authentication-about", source: microsoftNDR,
	},
	{
		code: "server.microsoft.busy", providers: []string{"microsoft"}, replies: []int{451, 421}, enhanced: []string{"4.7.500", "4.7.0", "4.3.0"}, blame: plugin.BlameServer,
		title:       "Microsoft's server is busy",
		explanation: "It takes no more from this address or at all for the moment.",
		remedies:    []string{"Wait; it is tried again by itself.", "If it happens often, lower the concurrency of this connection."},
		link:        microsoftNDR, source: microsoftNDR,
	},
}
