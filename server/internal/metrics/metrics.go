// Package metrics has what the daemon shows to Prometheus. No label holds an
// address, a message id or a client, so the number of series stays small
// whatever is sent. Names follow prometheus.io/docs/practices/naming.
package metrics

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"google.golang.org/grpc/codes"

	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

const namespace = "postilion"

// Metrics are the daemon's counters. Safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry

	accepted   *prometheus.CounterVec
	attempts   *prometheus.CounterVec
	duration   prometheus.Histogram
	unknown    prometheus.Counter
	calls      *prometheus.CounterVec
	callTime   *prometheus.HistogramVec
	panics     prometheus.Counter
	crashes    prometheus.Counter
	stale      prometheus.Counter
	unrecorded prometheus.Counter
	pauses     *prometheus.CounterVec
	probes     *prometheus.CounterVec
	deliveries *prometheus.HistogramVec
}

// New makes the metrics of a daemon of this version.
func New(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		accepted: counter("messages_accepted_total", "Messages that were accepted, by the way they came in.", "source"),
		attempts: counter("attempts_total", "Attempts by recipient, by class of the outcome and whom to blame.", "class", "blame"),
		duration: prometheus.NewHistogram(histogram("attempt_duration_seconds", "Duration of delivery attempts.")),
		unknown:  single("unknown_outcomes_total", "Attempts that ended without an answer after the point of no return; each may become a duplicate."),
		calls:    counter("calls_total", "Calls of the API.", "method", "code"),
		callTime: prometheus.NewHistogramVec(histogram("call_duration_seconds", "Duration of the calls of the API."), []string{"method"}),
		panics:   single("panics_total", "Panics that were caught. Each is a fault of the program."),
		crashes:  single("transport_crashes_total", "Deliveries that ended with a crash of the transport."),
		stale:    single("stale_claims_total", "Outcomes that came after their claim was lost."),
		unrecorded: single("unrecorded_outcomes_total",
			"Outcomes that the store did not take at once; they are tried again."),
		probes: counter("connection_probes_total", "How often connections were logged into without sending mail, by result.", "result"),
		pauses: counter("connection_pauses_total", "How often connections were paused, by whom to blame.", "blame"),
		deliveries: prometheus.NewHistogramVec(histogram("plugin_delivery_duration_seconds", "Duration of deliveries by plugins."),
			[]string{"plugin"}),
	}
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: "build_info", Help: "Always 1."}, []string{"version"})
	info.WithLabelValues(version).Set(1)
	m.registry.MustRegister(m.accepted, m.attempts, m.duration, m.unknown, m.calls, m.callTime, m.panics, m.crashes,
		m.stale, m.unrecorded, m.pauses, m.probes, m.deliveries, info, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func single(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
}

func histogram(name, help string) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help,
		Buckets: []float64{.001, .005, .02, .1, .5, 2, 10, 60, 600}}
}

// Handler serves the metrics in Prometheus' text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Accepted counts a message.
func (m *Metrics) Accepted(source string) { m.accepted.WithLabelValues(source).Inc() }

// Called counts a call of the API.
func (m *Metrics) Called(method string, code codes.Code, took time.Duration) {
	name := method[strings.LastIndexByte(method, '/')+1:]
	m.calls.WithLabelValues(name, code.String()).Inc()
	m.callTime.WithLabelValues(name).Observe(took.Seconds())
}

// Panicked counts a panic.
func (m *Metrics) Panicked() { m.panics.Inc() }

// Attempted implements dispatch.Metrics.
func (m *Metrics) Attempted(_ string, o *plugin.Outcome, took time.Duration) {
	m.duration.Observe(took.Seconds())
	m.attempts.WithLabelValues(o.Class.String(), o.Blame.String()).Inc()
	if o.Class == plugin.Unknown {
		m.unknown.Inc()
	}
}

// Crashed implements dispatch.Metrics.
func (m *Metrics) Crashed(string) { m.crashes.Inc() }

// Stale implements dispatch.Metrics.
func (m *Metrics) Stale(string) { m.stale.Inc() }

// Paused implements dispatch.Metrics.
func (m *Metrics) Paused(_ string, p outbox.Pause) {
	m.pauses.WithLabelValues(p.Outcome.Blame.String()).Inc()
}

// Unrecorded implements dispatch.Metrics.
func (m *Metrics) Unrecorded(string) { m.unrecorded.Inc() }

// Probed counts a login without mail.
func (m *Metrics) Probed(works bool) {
	result := "failed"
	if works {
		result = "passed"
	}
	m.probes.WithLabelValues(result).Inc()
}

// WatchProbes adds how many connections could not be logged into last.
func (m *Metrics) WatchProbes(failing func() int) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Name: "connections_failing_probe", Help: "Connections whose last login without mail failed.",
	}, func() float64 { return float64(failing()) }))
}

// Watch adds what the outbox holds, asked for at each scrape.
func (m *Metrics) Watch(store outbox.Reader, healthy func() error) {
	m.registry.MustRegister(&queue{store: store, healthy: healthy})
}

// queue collects the state of the outbox.
type queue struct {
	store   outbox.Reader
	healthy func() error
}

var (
	queueMessages = desc("queue_recipients", "Recipients in the outbox by state.", "state")
	queueOldest   = desc("queue_oldest_seconds", "Age of the oldest message that is not final.")
	queueBytes    = desc("queue_bytes", "Size of the contents in the outbox.")
	storeHealthy  = desc("store_healthy", "1 while the store can promise, else 0.")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(namespace+"_"+name, help, labels, nil)
}

// Describe implements prometheus.Collector.
func (q *queue) Describe(ch chan<- *prometheus.Desc) {
	ch <- queueMessages
	ch <- queueOldest
	ch <- queueBytes
	ch <- storeHealthy
}

// Collect implements prometheus.Collector.
func (q *queue) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	up := 1.0
	if q.healthy() != nil {
		up = 0
	}
	gauge(storeHealthy, up)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	stats, err := q.store.Stats(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(queueMessages, err)
		return
	}
	for state, n := range stats.Recipients {
		gauge(queueMessages, float64(n), strings.ToLower(state.String()))
	}
	gauge(queueBytes, float64(stats.Bytes))
	age := 0.0
	if !stats.Oldest.IsZero() {
		age = time.Since(stats.Oldest).Seconds()
	}
	gauge(queueOldest, age)
}
