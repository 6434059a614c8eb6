package doctor

import (
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// systemFacts reads what the kernel says.
func systemFacts() Facts {
	f := Facts{CPUs: runtime.NumCPU(), MemoryBudget: memoryBudget()}
	var files unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &files) == nil {
		f.OpenFilesSoft, f.OpenFilesHard = files.Cur, files.Max // the Go runtime has raised the one to the other already
	}
	f.ListenQueue = number("/proc/sys/net/core/somaxconn")
	if ports := fields("/proc/sys/net/ipv4/ip_local_port_range"); len(ports) == 2 {
		f.PortLow, _ = strconv.Atoi(ports[0])
		f.PortHigh, _ = strconv.Atoi(ports[1])
	}
	info := memoryInfo()
	f.MemoryBytes, f.MemoryAvailable = info["MemTotal"], info["MemAvailable"]
	f.MemoryLimit, f.CPULimit = cgroupLimits()
	return f
}

func memoryBudget() int64 {
	if os.Getenv("GOMEMLIMIT") == "" {
		return 0
	}
	return debug.SetMemoryLimit(-1)
}

// fields returns the words of a file, nil if it cannot be read.
func fields(path string) []string {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return strings.Fields(string(text))
}

func number(path string) int {
	if words := fields(path); len(words) > 0 {
		if n, err := strconv.Atoi(words[0]); err == nil {
			return n
		}
	}
	return 0
}

// memoryInfo reads /proc/meminfo, in bytes.
func memoryInfo() map[string]int64 {
	out := map[string]int64{}
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return out
	}
	for line := range strings.Lines(string(text)) {
		name, rest, ok := strings.Cut(line, ":")
		words := strings.Fields(rest)
		if !ok || len(words) == 0 {
			continue
		}
		if n, err := strconv.ParseInt(words[0], 10, 64); err == nil {
			out[name] = n << 10
		}
	}
	return out
}

// cgroupLimits reads the limits of the cgroup that the process is in and of those above, of version 2 or 1; 0 is none.
func cgroupLimits() (memory int64, cpus float64) {
	const root = "/sys/fs/cgroup"
	own := ""
	for _, line := range fields("/proc/self/cgroup") {
		if rest, is := strings.CutPrefix(line, "0::"); is {
			own = rest
		}
	}
	for dir := filepath.Join(root, own); strings.HasPrefix(dir, root); dir = filepath.Dir(dir) {
		if n := int64(number(filepath.Join(dir, "memory.max"))); n > 0 && (memory == 0 || n < memory) {
			memory = n
		}
		if quota := fields(filepath.Join(dir, "cpu.max")); len(quota) == 2 {
			cpus = fewer(cpus, quota[0], quota[1])
		}
	}
	// Version 1 says "no limit" with a very large number.
	if n := int64(number(filepath.Join(root, "memory/memory.limit_in_bytes"))); n > 0 && n < 1<<60 && (memory == 0 || n < memory) {
		memory = n
	}
	if quota, period := fields(filepath.Join(root, "cpu/cpu.cfs_quota_us")), fields(filepath.Join(root, "cpu/cpu.cfs_period_us")); len(quota) == 1 && len(period) == 1 {
		cpus = fewer(cpus, quota[0], period[0])
	}
	return memory, cpus
}

// fewer is the lower of a number of processors and a quota's, as far as there is one.
func fewer(cpus float64, quota, period string) float64 {
	q, qerr := strconv.ParseFloat(quota, 64)
	p, perr := strconv.ParseFloat(period, 64)
	if qerr != nil || perr != nil || q <= 0 || p <= 0 || cpus > 0 && cpus < q/p {
		return cpus
	}
	return q / p
}

// fileSystem returns the kind of a directory's file system, and its free and total bytes.
func fileSystem(path string) (kind string, free, total int64) {
	var st unix.Statfs_t
	if unix.Statfs(path, &st) != nil {
		return "", 0, 0
	}
	kinds := map[int64]string{unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs", unix.BTRFS_SUPER_MAGIC: "btrfs", unix.TMPFS_MAGIC: "tmpfs", unix.RAMFS_MAGIC: "ramfs",
		unix.OVERLAYFS_SUPER_MAGIC: "overlayfs", unix.NFS_SUPER_MAGIC: "nfs", unix.SMB_SUPER_MAGIC: "smb", unix.FUSE_SUPER_MAGIC: "fuse", 0x2fc12fc1: "zfs"}
	return kinds[int64(st.Type)], int64(st.Bavail) * st.Bsize, int64(st.Blocks) * st.Bsize
}

// synchronized asks the kernel whether something keeps its clock right.
func synchronized() *bool {
	var tx unix.Timex
	state, err := unix.Adjtimex(&tx)
	if err != nil {
		return nil
	}
	const unsynchronized = 0x40 // STA_UNSYNC
	ok := state != unix.TIME_ERROR && tx.Status&unsynchronized == 0
	return &ok
}
