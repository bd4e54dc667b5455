package plugin

// AcceptedOutcome is that of a recipient for whom the other side has taken
// responsibility; reply is what it said.
func AcceptedOutcome(reply string) Outcome {
	return Outcome{Class: Accepted, Phase: PhaseContent, Reply: reply}
}

// TemporaryOutcome is that of a recipient for whom it makes sense to try
// again. Reply is shown to people: what happened, and never a secret.
func TemporaryOutcome(blame Blame, phase Phase, reply string) Outcome {
	return Outcome{Class: Temporary, Blame: blame, Phase: phase, Reply: reply}
}

// PermanentOutcome is that of a recipient for whom trying again makes no
// sense. Reply is shown to people: what happened, and never a secret.
func PermanentOutcome(blame Blame, phase Phase, reply string) Outcome {
	return Outcome{Class: Permanent, Blame: blame, Phase: phase, Reply: reply}
}

// ForAll gives all recipients of a delivery the same outcome.
func ForAll(d *Delivery, o Outcome) []Outcome {
	all := make([]Outcome, len(d.Envelope.Recipients))
	for n := range all {
		all[n] = o
	}
	return all
}
