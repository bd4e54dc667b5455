package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/postilion-mail/postilion/plugin/host"
	"github.com/postilion-mail/postilion/server/internal/plugins"
)

// Delivered takes how long a plugin took for a delivery.
func (m *Metrics) Delivered(plugin string, took time.Duration) {
	m.deliveries.WithLabelValues(plugin).Observe(took.Seconds())
}

// WatchPlugins adds how the plugins are, asked for at each scrape.
func (m *Metrics) WatchPlugins(list func() []plugins.Info) {
	m.registry.MustRegister(pluginStates(list))
}

// pluginStates collects how plugins are. The only label that is not fixed is
// a plugin's name, which an administrator has chosen.
type pluginStates func() []plugins.Info

var (
	pluginState   = desc("plugin_state", "1 for the state that a plugin is in, else 0.", "plugin", "state")
	pluginStarts  = desc("plugin_starts_total", "How often a plugin was started.", "plugin")
	pluginCrashes = desc("plugin_crashes_total", "How often a plugin's process ended by itself.", "plugin")
)

// Describe implements prometheus.Collector.
func (pluginStates) Describe(ch chan<- *prometheus.Desc) {
	ch <- pluginState
	ch <- pluginStarts
	ch <- pluginCrashes
}

// Collect implements prometheus.Collector.
func (list pluginStates) Collect(ch chan<- prometheus.Metric) {
	for _, p := range list() {
		for _, state := range []host.State{host.Starting, host.Ready, host.Backoff, host.Failed, host.Stopped} {
			is := 0.0
			if p.State == state {
				is = 1
			}
			ch <- prometheus.MustNewConstMetric(pluginState, prometheus.GaugeValue, is, p.Name, string(state))
		}
		ch <- prometheus.MustNewConstMetric(pluginStarts, prometheus.CounterValue, float64(p.Starts), p.Name)
		ch <- prometheus.MustNewConstMetric(pluginCrashes, prometheus.CounterValue, float64(p.Crashes), p.Name)
	}
}
