package main

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strconv"
)

// firstCalls is what sdk/php/bench/first_call.php prints, medians in
// milliseconds.
type firstCalls struct {
	Bare       float64 `json:"bare"`
	BareCPU    float64 `json:"bare_cpu"`
	Client     float64 `json:"client"`
	ClientCPU  float64 `json:"client_cpu"`
	Streams    float64 `json:"client_without_curl"`
	StreamsCPU float64 `json:"client_without_curl_cpu"`
}

// firstCall is table i.
func firstCall(b *bench) *table {
	t := &table{
		Title: "i. The first call from PHP",
		About: "Milliseconds that the first mail takes in a PHP process that has done nothing before and has no opcache, so that the PHP client's classes are " +
			"read and compiled for it; against the same request by ext-curl alone. Medians of all runs (lowest–highest).",
		columns: []string{"by", "wait, ms", "processor time, ms"},
	}
	b.scope(func(b *bench) {
		s := b.startSink(0)
		d := b.startDaemon(relay("sink", s.port))
		script := filepath.Join(b.root, "sdk", "php", "bench", "first_call.php")
		var bare, client, streams, over [2]series
		for range b.repeats() {
			command := exec.Command("php", script, d.httpSocket(), strconv.Itoa(b.number(100, 5)), d.token)
			command.Env = environment()
			var f firstCalls
			b.fail(json.Unmarshal([]byte(b.execute(command)), &f))
			for i, figures := range [2][3]float64{{f.Bare, f.Client, f.Streams}, {f.BareCPU, f.ClientCPU, f.StreamsCPU}} {
				bare[i] = append(bare[i], figures[0])
				client[i] = append(client[i], figures[1])
				streams[i] = append(streams[i], figures[2])
				over[i] = append(over[i], figures[1]-figures[0])
			}
		}
		t.row("ext-curl alone", bare[0].String(), bare[1].String())
		t.row("the PHP client", client[0].String(), client[1].String())
		t.row("the PHP client, without ext-curl", streams[0].String(), streams[1].String())
		t.atMost("the PHP client over ext-curl alone", over[0].median(), 2, " ms")
	})
	return t
}
