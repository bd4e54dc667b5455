package sqlite

import (
	"fmt"
	"time"

	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

// numberBits of a job's id count the jobs of a message; the rest is its seq.
const numberBits = 20

// job is a row of jobs.
type job struct {
	id       int64
	lane     string
	client   string
	priority outbox.Priority
	state    outbox.State
	due      int64 // as kept, see moment
	expires  int64
	hop      int
	attempt  int
	crashes  int
	dup      bool
	blame    plugin.Blame
	epoch    int64
	count    int64
	size     int64
	n        int
	reason   string
}

// message is the seq of the job's message.
func (j *job) message() int64 { return j.id >> numberBits }

func (j *job) token() outbox.Token { return outbox.Token{Job: j.id, Epoch: j.epoch, Count: j.count} }

// waits says whether the job can be claimed once it is due.
func (j *job) waits() bool { return j.state == outbox.Queued || j.state == outbox.Deferred }

// jobsOf gives the ids between which those of a message lie.
func jobsOf(seq int64) (first, last int64) {
	return seq << numberBits, seq<<numberBits | (1<<numberBits - 1)
}

const jobColumns = ` id, lane, client, priority, state, due, expires, hop, attempt, crashes, dup, blame, epoch, count, size, n, reason `

func scanJob(rows *database.Rows) (*job, error) {
	j := new(job)
	var priority, state, blame uint8
	err := rows.Scan(&j.id, &j.lane, &j.client, &priority, &state, &j.due, &j.expires, &j.hop, &j.attempt,
		&j.crashes, &j.dup, &blame, &j.epoch, &j.count, &j.size, &j.n, &j.reason)
	j.priority, j.state, j.blame = outbox.Priority(priority), outbox.State(state), plugin.Blame(blame)
	return j, err
}

// queryJobs reads the jobs that a query selects.
func queryJobs(tx *database.Tx, query string, args ...any) (jobs []*job, err error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		j, err := scanJob(rows)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, j)
	}
	return jobs, rows.Err()
}

func loadJob(tx *database.Tx, id int64) (*job, error) {
	jobs, err := queryJobs(tx, `SELECT`+jobColumns+`FROM jobs WHERE id = ?`, id)
	if err != nil {
		return nil, err
	}
	if len(jobs) == 0 {
		return nil, outbox.ErrStaleToken
	}
	return jobs[0], nil
}

// insertJob writes a new job.
func insertJob(tx *database.Tx, j *job) error {
	_, err := tx.Exec(`INSERT INTO jobs (`+jobColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		j.id, j.lane, j.client, int(j.priority), uint8(j.state), j.due, j.expires, j.hop, j.attempt,
		j.crashes, j.dup, uint8(j.blame), j.epoch, j.count, j.size, j.n, j.reason)
	return err
}

// saveJob writes what can change of a job.
func saveJob(tx *database.Tx, j *job) error {
	n, err := tx.Exec(`UPDATE jobs SET lane = ?, state = ?, due = ?, expires = ?, hop = ?, attempt = ?, crashes = ?,
		dup = ?, blame = ?, epoch = ?, count = ?, size = ?, n = ?, reason = ? WHERE id = ?`,
		j.lane, uint8(j.state), j.due, j.expires, j.hop, j.attempt, j.crashes,
		j.dup, uint8(j.blame), j.epoch, j.count, j.size, j.n, j.reason, j.id)
	if err == nil && n != 1 {
		return fmt.Errorf("job %d is gone", j.id)
	}
	return err
}

// number takes the next number of a message's jobs, for a new job's id.
func number(tx *database.Tx, seq int64) (int64, error) {
	var n int64
	if err := tx.QueryRow(`SELECT jobs FROM messages WHERE seq = ?`, seq).Scan(&n); err != nil {
		return 0, err
	}
	if n >= 1<<numberBits {
		return 0, fmt.Errorf("message %d was split too often", seq)
	}
	_, err := tx.Exec(`UPDATE messages SET jobs = jobs + 1 WHERE seq = ?`, seq)
	return seq<<numberBits | n, err
}

// turn puts a job into the state that follows a trigger, and counts it there.
// It is the way of all changes of a state of jobs that go on.
func (c *change) turn(j *job, t outbox.Trigger) error {
	next, ok := j.state.Next(t)
	if !ok {
		return fmt.Errorf("job %d is %s: trigger %d is not allowed", j.id, j.state, t)
	}
	c.countJob(j, -1)
	if j.state == outbox.Sending {
		c.ended = append(c.ended, j.id)
	}
	j.state = next
	if next != outbox.Held {
		j.reason = ""
	}
	c.countJob(j, +1)
	return nil
}

// put notes that a job waits.
func (c *change) put(j *job, now moment) {
	if !j.waits() {
		return
	}
	c.ready = append(c.ready, readyChange{lane: j.lane, priority: j.priority, client: j.client, due: j.due})
	c.wake(j.lane, now.time(j.due))
}

// wake tells the dispatcher once a group of a lane's due jobs.
func (c *change) wake(lane string, due time.Time) {
	for i := range c.wakes {
		if c.wakes[i].lane == lane {
			if due.Before(c.wakes[i].due) {
				c.wakes[i].due = due
			}
			return
		}
	}
	c.wakes = append(c.wakes, wake{lane, due})
}

// member is a recipient as part of a job.
type member struct {
	position int
	address  string
	notify   string
	dup      bool
	last     int64 // event with the last outcome
}

func members(tx *database.Tx, j *job) ([]member, error) {
	rows, err := tx.Query(`SELECT position, address, notify, dup, last FROM recipients WHERE message = ? AND job = ? ORDER BY position`, j.message(), j.id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := make([]member, 0, j.n)
	for rows.Next() {
		var m member
		if err := rows.Scan(&m.position, &m.address, &m.notify, &m.dup, &m.last); err != nil {
			return nil, fmt.Errorf("%w: recipient: %w", errCorrupt, err)
		}
		list = append(list, m)
	}
	return list, rows.Err()
}
