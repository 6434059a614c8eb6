package demo

import (
	"context"
	"math"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/load"
	"github.com/shirou/gopsutil/v4/mem"
	"github.com/shirou/gopsutil/v4/net"
	"github.com/shirou/gopsutil/v4/sensors"
)

// machineZone is the zone of this machine's sensors.
const machineZone = "machine"

// Machine reads this machine's telemetry. What the machine does not tell is left out. It is for one goroutine.
type Machine struct {
	last   time.Time
	cpu    cpu.TimesStat
	counts map[string]float64 // running totals by sensor
	known  map[string]Sensor
}

// NewMachine returns a reader that has read nothing.
func NewMachine() *Machine {
	return &Machine{counts: map[string]float64{}, known: map[string]Sensor{}}
}

// Read measures once. Rates are those since the call before, so the first call has none. added are sensors that were not there before.
func (m *Machine) Read(ctx context.Context, now time.Time) (readings []Reading, added []Sensor) {
	take := func(name, metric, unit string, v float64) {
		id := machineZone + "-" + name
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return
		}
		if _, ok := m.known[id]; !ok {
			m.known[id] = Sensor{id, machineZone, "machine", unit}
			added = append(added, m.known[id])
		}
		readings = append(readings, Reading{id, metric, math.Round(v*100) / 100, now})
	}
	m.processor(ctx, take)
	m.memory(ctx, take)
	m.traffic(ctx, now, take)
	m.temperatures(ctx, take)
	m.last = now
	return readings, added
}

type takeFunc func(name, metric, unit string, v float64)

func (m *Machine) processor(ctx context.Context, take takeFunc) {
	if ts, err := cpu.TimesWithContext(ctx, false); err == nil && len(ts) == 1 {
		if !m.last.IsZero() {
			if all := busy(ts[0]) + idle(ts[0]) - busy(m.cpu) - idle(m.cpu); all > 0 {
				take("cpu", "cpu", "%", clamp(100*(busy(ts[0])-busy(m.cpu))/all, 0, 100))
			}
		}
		m.cpu = ts[0]
	}
	if l, err := load.AvgWithContext(ctx); err == nil {
		take("load", "load", "per core", l.Load1/float64(runtime.NumCPU()))
	}
}

func busy(t cpu.TimesStat) float64 {
	return t.User + t.System + t.Nice + t.Irq + t.Softirq + t.Steal
}

func idle(t cpu.TimesStat) float64 { return t.Idle + t.Iowait }

func (m *Machine) memory(ctx context.Context, take takeFunc) {
	if v, err := mem.VirtualMemoryWithContext(ctx); err == nil {
		take("memory", "memory", "%", v.UsedPercent)
	}
	if s, err := mem.SwapMemoryWithContext(ctx); err == nil && s.Total > 0 {
		take("swap", "swap", "%", s.UsedPercent)
	}
	root := "/"
	if runtime.GOOS == "windows" {
		root = `C:\`
	}
	if d, err := disk.UsageWithContext(ctx, root); err == nil {
		take("disk", "disk", "%", d.UsedPercent)
	}
}

// traffic reads what has gone through disks and networks.
func (m *Machine) traffic(ctx context.Context, now time.Time, take takeFunc) {
	rate := func(name string, total uint64) {
		before, ok := m.counts[name]
		m.counts[name] = float64(total)
		if seconds := now.Sub(m.last).Seconds(); ok && seconds > 0 && float64(total) >= before {
			take(name, strings.ReplaceAll(name, "-", "_"), "KiB/s", (float64(total)-before)/1024/seconds)
		}
	}
	if all, err := disk.IOCountersWithContext(ctx); err == nil && len(all) > 0 {
		var read, written uint64
		for name, d := range all {
			if !partition.MatchString(name) {
				read += d.ReadBytes
				written += d.WriteBytes
			}
		}
		rate("disk-read", read)
		rate("disk-write", written)
	}
	if all, err := net.IOCountersWithContext(ctx, false); err == nil && len(all) == 1 {
		rate("network-in", all[0].BytesRecv)
		rate("network-out", all[0].BytesSent)
	}
}

// partition matches devices that are part of another one, whose traffic they would count twice.
var partition = regexp.MustCompile(`^(loop|ram|dm-|md)\d+|^[shv]d[a-z]+\d+$|^(nvme\d+n\d+|mmcblk\d+)p\d+$`)

// temperaturesMax bounds the temperature sensors of a machine.
const temperaturesMax = 8

func (m *Machine) temperatures(ctx context.Context, take takeFunc) {
	ts, err := sensors.TemperaturesWithContext(ctx)
	if err != nil && len(ts) == 0 {
		return
	}
	seen := map[string]bool{}
	for _, t := range ts {
		name := strings.ToLower(strings.ReplaceAll(t.SensorKey, " ", "-"))
		if t.Temperature <= 0 || t.Temperature > 150 || seen[name] || len(seen) == temperaturesMax {
			continue
		}
		seen[name] = true
		take(name, "temperature", "°C", t.Temperature)
	}
}
