//! The walls around a function: what the process of a Python may read, write, call and use up.
//!
//! ```text
//! own session   limits   nobody   ends with us   no new rights   Landlock: files   seccomp: calls   → exec Python
//! ```
//! All of it is set up between fork and exec, from what was prepared before the fork. The kernel has to have Landlock
//! and seccomp; without either there are no functions. Root becomes the user nobody first. Where nobody may not read the
//! interpreter (it lies in somebody's home), it gets the one right to read everything; Landlock is what confines it then,
//! and the calls that go around paths are not allowed.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope, path_beneath_rules,
};
use rustix::process::{Pid, Resource, Rlimit, Signal};
use rustix::thread::{CapabilitySet, CapabilitySets};
use rustix::{process, thread};
use seccompiler::BpfProgram;

use super::python::Python;
use super::syscalls;

/// The user that root becomes.
const NOBODY: u32 = 65534;

/// Bytes of one file in the temporary folder.
pub(super) const LARGEST_FILE: u64 = 64 << 20;

/// Open files, and threads where they can be counted.
const FILES: u64 = 64;
const THREADS: u64 = 256;

/// Addresses an interpreter may use while it loads its libraries.
const LOADING: u64 = 8 << 30;

const NEWEST: ABI = ABI::V6;

/// What every process of an interpreter gets.
#[derive(Clone, Debug)]
pub(super) struct Sandbox {
    programs: Vec<PathBuf>,
    readable: Vec<PathBuf>,
    executable: PathBuf,
    filters: Vec<BpfProgram>,
    /// Whether this process is root and becomes somebody else.
    demoted: bool,
    /// Whether the interpreter needs the right to read everything.
    reader: bool,
}

impl Sandbox {
    /// # Errors
    /// What the kernel lacks.
    pub(super) fn new(python: &Python) -> Result<Sandbox, String> {
        let demoted = process::geteuid().is_root();
        let linkers =
            ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"].map(PathBuf::from);
        let mut programs = python.programs();
        programs.extend(linkers.iter().filter_map(|path| std::fs::canonicalize(path).ok()));
        let system = [
            "/lib",
            "/lib64",
            "/usr/lib",
            "/usr/lib64",
            "/usr/local/lib",
            "/etc/ld.so.cache",
            "/etc/localtime",
            "/usr/share/zoneinfo",
            "/dev/urandom",
            "/dev/null",
            "/dev/zero",
            "/sys/devices/system/cpu",
        ];
        let readable =
            system.iter().map(PathBuf::from).chain(python.places.iter().cloned()).collect();
        let filters = syscalls::first().map_err(|error| format!("seccomp: {error}"))?;
        let executable = python.executable.clone();
        let reader = demoted && !python.is_public();
        let sandbox = Sandbox { programs, readable, executable, filters, demoted, reader };
        sandbox.rules(None).map_err(|error| format!("Landlock: {error}"))?;
        Ok(sandbox)
    }

    /// Makes a folder over to the user that the process becomes.
    pub(super) fn give(&self, folder: &Path) -> io::Result<()> {
        if self.demoted {
            std::os::unix::fs::chown(folder, Some(NOBODY), Some(NOBODY))?;
        }
        Ok(())
    }

    /// The interpreter inside the sandbox, with this script and this folder to write into.
    pub(super) fn command(&self, script: &str, folder: &Path) -> Result<Command, String> {
        let mut command = Command::new(&self.executable);
        command.args(["-s", "-B", "-u", "-c", script]).current_dir(folder).env_clear();
        for (name, value) in [
            ("LANG", "C.UTF-8"),
            ("TZ", "UTC"),
            ("PYTHONHASHSEED", "0"),
            ("PYTHONSAFEPATH", "1"),
            ("OMP_NUM_THREADS", "1"),
            ("OPENBLAS_NUM_THREADS", "1"),
            ("MKL_NUM_THREADS", "1"),
            ("NUMEXPR_NUM_THREADS", "1"),
            ("MALLOC_ARENA_MAX", "2"),
        ] {
            command.env(name, value);
        }
        command.env("HOME", folder).env("TMPDIR", folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut rules =
            Some(self.rules(Some(folder)).map_err(|error| format!("Landlock: {error}"))?);
        let (filters, demoted, reader) = (self.filters.clone(), self.demoted, self.reader);
        let parent = process::getpid();
        let enter = move || {
            let rules = rules.take().ok_or(io::ErrorKind::InvalidInput)?;
            enter(rules, &filters, demoted, reader, parent)
        };
        // Safety: the closure runs after a fork and makes system calls with what was prepared before.
        #[expect(unsafe_code, reason = "the only way to change a process between fork and exec")]
        unsafe {
            command.pre_exec(enter);
        }
        Ok(command)
    }

    fn rules(&self, folder: Option<&Path>) -> Result<RulesetCreated, landlock::RulesetError> {
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        let run: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::Execute;
        let write = AccessFs::from_all(NEWEST)
            & !(AccessFs::Execute
                | AccessFs::MakeSock
                | AccessFs::MakeFifo
                | AccessFs::MakeChar
                | AccessFs::MakeBlock
                | AccessFs::IoctlDev);
        let null = AccessFs::ReadFile | AccessFs::WriteFile;
        // Files are protected by every kernel that has Landlock; the network and signals by younger ones, and by the
        // filter of system calls.
        Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(ABI::V1))?
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(NEWEST))?
            .handle_access(AccessNet::from_all(NEWEST))?
            .scope(Scope::from_all(NEWEST))?
            .create()?
            .add_rules(path_beneath_rules(&self.readable, read))?
            .add_rules(path_beneath_rules(&self.programs, run))?
            .add_rules(path_beneath_rules(["/dev/null"], null))?
            .add_rules(path_beneath_rules(folder, write))
    }
}

/// The addresses a running process uses now, in bytes.
pub(super) fn used(pid: Pid) -> io::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{}/statm", pid.as_raw_nonzero()))?;
    let pages: Option<u64> = text.split(' ').next().and_then(|n| n.parse().ok());
    let pages = pages.ok_or(io::ErrorKind::InvalidData)?;
    Ok(pages * rustix::param::page_size() as u64)
}

/// Between fork and exec.
fn enter(
    rules: RulesetCreated,
    filters: &[BpfProgram],
    demoted: bool,
    reader: bool,
    parent: Pid,
) -> io::Result<()> {
    close_others();
    process::setsid()?;
    process::setrlimit(Resource::Core, both(0))?;
    process::setrlimit(Resource::Fsize, both(LARGEST_FILE))?;
    process::setrlimit(Resource::Nofile, both(FILES))?;
    process::setrlimit(Resource::As, both(LOADING))?;
    process::setrlimit(Resource::Memlock, both(0))?;
    if demoted {
        // Of any other user's processes there may be more already.
        process::setrlimit(Resource::Nproc, both(THREADS))?;
        thread::set_keep_capabilities(reader)?;
        let (user, group) = (rustix::fs::Uid::from_raw(NOBODY), rustix::fs::Gid::from_raw(NOBODY));
        thread::set_thread_groups(&[])?;
        thread::set_thread_res_gid(group, group, group)?;
        thread::set_thread_res_uid(user, user, user)?;
        let kept = if reader { CapabilitySet::DAC_READ_SEARCH } else { CapabilitySet::empty() };
        let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: kept };
        thread::set_capabilities(None, sets)?;
        if reader {
            thread::configure_capability_in_ambient_set(CapabilitySet::DAC_READ_SEARCH, true)?;
        }
    }
    process::set_parent_process_death_signal(Some(Signal::KILL))?;
    if process::getppid() != Some(parent) {
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    thread::set_no_new_privs(true)?;
    let status =
        rules.restrict_self().map_err(|_| io::Error::from(io::ErrorKind::PermissionDenied))?;
    if status.ruleset == RulesetStatus::NotEnforced {
        return Err(io::ErrorKind::Unsupported.into());
    }
    for filter in filters {
        seccompiler::apply_filter(filter)
            .map_err(|_| io::Error::from(io::ErrorKind::Unsupported))?;
    }
    Ok(())
}

fn both(limit: u64) -> Rlimit {
    Rlimit { current: Some(limit), maximum: Some(limit) }
}

/// Files that some library opened without asking for their end at exec.
fn close_others() {
    // Safety: sets a flag of descriptors, none is closed before exec.
    #[expect(unsafe_code, reason = "there is no safe name for this call")]
    unsafe {
        libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
    }
}
