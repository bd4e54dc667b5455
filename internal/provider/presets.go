package provider

// The presets are for people to review: mailboxes.go, portals.go, hosters.go
// and services.go have one entry for each, with the pages that its facts were
// taken from. Port 465 is preferred where the vendor has it (RFC 8314 section
// 3.3). Limits stand there only if the vendor states them for everybody.
// Vendors that count messages rather than recipients are taken at their number
// of recipients, which is on the safe side.

const (
	tls, starttls = "tls", "starttls"

	wholeAddress = "the whole mail address"
	ownPassword  = "the password of the mailbox"
	appPassword  = "an app password, made in the account's security settings; not the one you log in with"

	ownFrom      = "the address of the account, or an alias that it has"
	verifiedFrom = "addresses of domains, or single addresses, that are verified in the account"

	// ispdb is the database of Thunderbird, by mail domain, which gathers what
	// vendors publish for mail clients.
	ispdb = "https://autoconfig.thunderbird.net/v1.1/"
	// nodemailer is the list of a widely used mailer.
	nodemailer = "https://github.com/nodemailer/nodemailer/blob/master/lib/well-known/services.json"
)

// regions are those of Amazon SES.
func regions() []Provider {
	var all []Provider
	for _, region := range []string{
		"us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1",
		"eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1", "eu-west-1", "eu-west-2", "eu-west-3",
		"ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3",
		"af-south-1", "il-central-1", "me-south-1",
	} {
		all = append(all, Provider{
			ID: "ses-" + region, Title: "Amazon SES, " + region,
			Host: "email-smtp." + region + ".amazonaws.com", Port: 465, Security: tls,
			Username:     "the SMTP user name made for SES, not an access key",
			Password:     "the SMTP password made with it, a key for this region alone",
			PasswordLink: "https://" + region + ".console.aws.amazon.com/ses/home?region=" + region + "#/smtp",
			FromRule:     verifiedFrom,
			// How many a day and a second depends on the account.
			Limits: Limits{RecipientsPerMessage: 50},
			// The envelope sender is of amazonses.com unless the domain has
			// one of its own for SES, whose record includes this.
			ReturnPath: "amazonses.com",
			Link:       "https://docs.aws.amazon.com/ses/latest/dg/smtp-credentials.html",
			Sources: []string{
				"https://docs.aws.amazon.com/general/latest/gr/ses.html",
				"https://docs.aws.amazon.com/ses/latest/dg/quotas.html",
				"https://docs.aws.amazon.com/ses/latest/dg/mail-from.html",
			},
		})
	}
	return all
}
