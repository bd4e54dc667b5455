package diagnose

import "github.com/postilion-mail/postilion/plugin"

const (
	googleErrors   = "https://support.google.com/a/answer/3726730"
	googleApp      = "https://support.google.com/accounts/answer/185833"
	googleRelay    = "https://support.google.com/a/answer/2956491"
	googleLimits   = "https://support.google.com/a/answer/166852"
	googleSend     = "https://support.google.com/a/answer/176600"
	googleUnlock   = "https://accounts.google.com/DisplayUnlockCaptcha"
	googleAlias    = "https://support.google.com/mail/answer/22370"
	googleBlocked  = "https://support.google.com/mail/answer/6590"
	googleIdentity = "https://support.google.com/a/answer/81126"
)

// google are smtp.gmail.com, and smtp-relay.gmail.com of Google Workspace.
var google = []entry{
	{
		code: "auth.gmail.app_password_required", providers: []string{"gmail", "google_relay"}, phases: []plugin.Phase{plugin.PhaseAuth},
		replies: []int{534}, enhanced: []string{"5.7.9"}, says: []string{"application-specific password", "invalidsecondfactor"}, needsChange: true,
		title:       "Google wants an app password here",
		explanation: "The account uses two-step verification, so the password of the account is not taken over SMTP.",
		remedies: []string{
			"Open https://myaccount.google.com/apppasswords with this account and make an app password for mail.",
			"Give its 16 letters, without blanks, as the password of this connection.",
			"If Google shows no app passwords, the administrator of the Workspace has switched them off: use OAuth (xoauth2) or the SMTP relay.",
		},
		link: googleApp, source: googleErrors,
	},
	{
		code: "auth.gmail.web_login_required", providers: []string{"gmail", "google_relay"}, phases: []plugin.Phase{plugin.PhaseAuth},
		replies: []int{534, 535}, says: []string{"web browser", "webloginrequired", "/signin/continue"}, needsChange: true,
		title:       "Google has blocked this login as suspicious",
		explanation: "Google wants a person to log in with a browser first. This happens with a new server, or with the plain password of the account.",
		remedies: []string{
			"Log in to the account with a browser, look at https://myaccount.google.com/notifications, and confirm that it was you.",
			"Use an app password instead of the account's own: https://myaccount.google.com/apppasswords",
			"Try again after that; the lock ends within an hour.",
		},
		link: "https://support.google.com/mail/answer/78754", source: googleErrors,
	},
	{
		code: "auth.gmail.too_many_logins", providers: []string{"gmail", "google_relay"}, phases: []plugin.Phase{plugin.PhaseAuth},
		replies: []int{421, 454}, enhanced: []string{"4.7.0"}, says: []string{"too many login attempts"}, blame: plugin.BlameLimit,
		title:       "Too many logins for Google",
		explanation: "Google refuses further logins of this account for a while. The password may well be right.",
		remedies: []string{
			"Wait an hour, and do not test in the meantime: every login counts.",
			"Stop other programs that log in to this account again and again with an old password.",
		},
		link: googleErrors, source: googleErrors,
	},
	{
		code: "auth.gmail.rejected", providers: []string{"gmail"}, phases: []plugin.Phase{plugin.PhaseAuth},
		replies: []int{535}, enhanced: []string{"5.7.8", "5.7.1"}, needsChange: true,
		title:       "Google does not accept user name and password",
		explanation: "Google takes over SMTP only app passwords, or OAuth; the password with which you log in to Gmail is refused in just these words.",
		remedies: []string{
			"Switch on two-step verification and make an app password: https://myaccount.google.com/apppasswords",
			"Give its 16 letters, without blanks, as the password.",
			"Give the whole mail address as the user name.",
		},
		link: googleApp, source: "https://support.google.com/mail/answer/7126229",
	},
	{
		code: "auth.google_relay.rejected", providers: []string{"google_relay"}, phases: []plugin.Phase{plugin.PhaseAuth}, replies: []int{534, 535}, needsChange: true,
		title:       "Google's relay does not accept the login",
		explanation: "The SMTP relay of a Workspace takes an app password of one of its users, or needs no login if it knows your IP address.",
		remedies: []string{
			"Make an app password for the user: https://myaccount.google.com/apppasswords",
			"Or have the administrator allow this server's IP address (Admin console: Apps, Google Workspace, Gmail, Routing, SMTP relay service), and remove the user name here.",
		},
		link: googleRelay, source: googleRelay,
	},
	{
		code: "auth.gmail.required", providers: []string{"gmail"}, phases: []plugin.Phase{plugin.PhaseMail, plugin.PhaseRecipient, plugin.PhaseData},
		replies: []int{530}, enhanced: []string{"5.7.0", "5.5.1"}, says: []string{"authentication required"}, needsChange: true,
		title:       "Google wants a login",
		explanation: "No user name and password are configured, and smtp.gmail.com takes mail only from those who have logged in.",
		remedies: []string{
			"Give the whole mail address as user name, and an app password: https://myaccount.google.com/apppasswords",
		},
		link: googleSend, source: googleErrors,
	},
	{
		code: "relay.google.not_registered", providers: []string{"google_relay"}, phases: []plugin.Phase{plugin.PhaseMail, plugin.PhaseRecipient, plugin.PhaseData, plugin.PhaseContent},
		replies: []int{550, 421}, says: []string{"invalid credentials for relay", "mail relay denied", "ip address you've registered", "relay denied"}, needsChange: true, blame: plugin.BlameConnection,
		title:       "The Workspace's relay does not know this server",
		explanation: "The administrator's settings of the SMTP relay service do not list this server's IP address, or the sender's domain is none of the Workspace's.",
		remedies: []string{
			"In the Admin console under Apps, Google Workspace, Gmail, Routing, SMTP relay service, add the public IP address of this server.",
			"Or require SMTP authentication there, and give a user name and an app password here.",
			"Use a sender in one of the Workspace's domains, and a host name of your own for EHLO.",
		},
		link: googleRelay, source: googleErrors,
	},
	{
		code: "limit.google.daily", providers: []string{"gmail", "google_relay"}, enhanced: []string{"5.4.5", "4.7.1", "5.7.1"},
		says: []string{"daily user sending limit", "daily sending quota", "daily smtp relay", "sending limit exceeded", "relay limit exceeded"}, blame: plugin.BlameLimit, needsChange: true,
		title:       "The daily sending limit at Google is reached",
		explanation: "Gmail takes 500 recipients a day from a private account and 2,000 from a Workspace user; the count begins anew over 24 hours.",
		remedies: []string{
			"Wait up to 24 hours.",
			"Set the limits of this connection to those of the account, so that mail waits instead of being refused.",
			"For more mail use a sending service, or the SMTP relay of the Workspace.",
		},
		link: googleLimits, source: googleErrors,
	},
	{
		code: "limit.google.relay_peak", providers: []string{"google_relay", "gmail"}, replies: []int{450}, enhanced: []string{"4.2.1"}, says: []string{"peak smtp relay limit"}, blame: plugin.BlameLimit,
		title:       "Too much mail at once for Google's relay",
		explanation: "The Workspace may send only so much within ten minutes; what waits goes out when there is room again.",
		remedies:    []string{"Wait; it is tried again by itself.", "Set a limit per minute on this connection."},
		link:        googleRelay, source: googleErrors,
	},
	{
		code: "recipient.google.rate", providers: []string{"gmail", "google_relay"}, replies: []int{450}, enhanced: []string{"4.2.1"}, blame: plugin.BlameLimit,
		title:       "The recipient gets mail too fast",
		explanation: "Google slows down mail to this one mailbox, whoever sends it.",
		remedies:    []string{"Wait; it is tried again by itself."},
		link:        "https://support.google.com/mail/answer/6592", source: googleErrors,
	},
	{
		code: "connect.google.slow_down", providers: []string{"gmail", "google_relay"}, replies: []int{421}, enhanced: []string{"4.7.0"},
		says: []string{"try again later, closing connection", "unusual rate"}, blame: plugin.BlameLimit,
		title:       "Google wants this server to slow down",
		explanation: "So many connections or so much unwanted mail came from this address that Google breaks off for a while. With the relay, an EHLO name such as localhost has the same effect.",
		remedies: []string{
			"Wait; it is tried again by itself.",
			"Set the EHLO name of this connection to the public host name of this server.",
			"Lower the concurrency of this connection.",
		},
		link: googleErrors, source: googleErrors,
	},
	{
		code: "content.google.attachment_blocked", providers: []string{"gmail", "google_relay"}, replies: []int{552}, enhanced: []string{"5.7.0"}, needsChange: true,
		title:       "Google does not take this kind of attachment",
		explanation: "Programs, scripts and archives that hold them are refused, also within a ZIP file.",
		remedies:    []string{"Put the file on a web server or drive, and send a link."},
		link:        googleBlocked, source: googleErrors,
	},
	{
		code: "content.google.unauthenticated", providers: []string{"gmail", "google_relay"}, replies: []int{550, 421}, enhanced: []string{".7.26", ".7.27", ".7.30", ".7.25"}, needsChange: true, blame: plugin.BlameSender,
		title:       "The sender's domain does not vouch for this mail",
		explanation: "Neither SPF nor DKIM of the sender's domain fits the server that sends, and Gmail takes no mail without.",
		remedies: []string{
			"Publish the SPF and DKIM records that your provider names for the sender's domain.",
			"Check them: postilion doctor domain DOMAIN",
		},
		link: googleIdentity, source: googleErrors,
	},
	{
		code: "content.google.spam", providers: []string{"gmail", "google_relay"}, phases: []plugin.Phase{plugin.PhaseData, plugin.PhaseContent}, replies: []int{550, 421}, enhanced: []string{".7.1", ".7.28"},
		says: []string{"unsolicited"}, needsChange: true, blame: plugin.BlameContent,
		title:       "Google takes this message for spam",
		explanation: "Its content, its links or the reputation of the sender were the reason.",
		remedies: []string{
			"Try a plain text without links to see whether the content is the reason.",
			"Check what the sender's domain publishes: postilion doctor domain DOMAIN",
		},
		link: googleIdentity, source: googleErrors,
	},
}
