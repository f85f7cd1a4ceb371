//! The warm Python process that slot processes are forked from: a zygote, or a template, which a zygote has forked, which
//! is confined, and which has imported modules.
//!
//! One thread, no tasks: it waits for requests to fork, and for its children to end.

use std::{
    collections::VecDeque,
    env,
    mem::ManuallyDrop,
    os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd, RawFd},
    path::PathBuf,
};

use bytes::BytesMut;
use haulier_model::{Error, ErrorKind, Result};
use haulier_protocol::{
    v1::{self, worker_command::Message as Command, worker_message::Message},
    waiting::{WAITING_VARIABLE, WaitingPipe},
};
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::{Errno, retry_on_intr},
    process::{
        Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, getppid, kill_process_group, pidfd_open,
        set_parent_process_death_signal, setpgid, waitid,
    },
};

use super::{BYTECODE_FOLDER, HelloInfo, node_gone, take_over};
use crate::{
    frame,
    launcher::{CONFINEMENT_VARIABLE, Confinement},
    socket::{self, Read},
};

/// The zygote's end of its control link. Starts no thread.
pub struct Zygote {
    content: ManuallyDrop<Content>,
    /// A forked child has a copy of this value, whose descriptors are not its own.
    owner: u32,
}

struct Content {
    control: OwnedFd,
    buffer: BytesMut,
    /// Descriptors that came with requests that are not read yet.
    descriptors: VecDeque<OwnedFd>,
    children: Vec<Child>,
    confinement: Option<Confinement>,
}

struct Child {
    fork_id: u64,
    pid: Pid,
    exit: OwnedFd,
}

impl Zygote {
    /// Takes the control link over and sends the hello.
    ///
    /// # Errors
    /// `Unavailable` when the node is gone.
    pub fn connect(control_fd: RawFd, hello: HelloInfo) -> Result<Self> {
        let confinement = match env::var(CONFINEMENT_VARIABLE) {
            Ok(text) => Some(
                serde_json::from_str(&text)
                    .map_err(|error| Error::internal("read the confinement", error.to_string()).with_source(error))?,
            ),
            Err(_) => None,
        };
        let content = Content {
            control: take_over(control_fd)?,
            buffer: BytesMut::new(),
            descriptors: VecDeque::new(),
            children: Vec::new(),
            confinement,
        };
        let zygote = Self { content: ManuallyDrop::new(content), owner: std::process::id() };
        zygote.content.send(Message::Hello(hello.into_frame("")))?;
        Ok(zygote)
    }

    /// Waits for the next request to fork, and meanwhile reports children that have ended. `None`: the node is gone,
    /// and the process must exit.
    ///
    /// The caller forks, and then: the parent calls [`Zygote::forked`] and drops the request; the child calls
    /// [`ForkRequest::enter_child`] and [`WorkerProcess::connect`](crate::WorkerProcess::connect).
    // Not an iterator: it fails, and the caller acts between two calls.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<ForkRequest>> {
        loop {
            if let Some(request) = self.content.request()? {
                return Ok(Some(request));
            }
            if self.content.wait()? == Read::End {
                return Ok(None);
            }
        }
    }

    /// Tells the node which process the fork has made.
    pub fn forked(&mut self, fork_id: u64, pid: u32) -> Result<()> {
        let watched = i32::try_from(pid)
            .ok()
            .and_then(Pid::from_raw)
            .ok_or(Errno::INVAL)
            .and_then(|pid| Ok(Child { fork_id, pid, exit: pidfd_open(pid, PidfdFlags::empty())? }));
        match watched {
            Ok(child) => self.content.children.push(child),
            Err(errno) => return self.failed(fork_id, &format!("process {pid} cannot be watched: {errno}")),
        }
        self.content.send(Message::ForkReport(v1::ForkReport { fork_id, process_id: pid, ..v1::ForkReport::default() }))
    }

    /// Template, before its first fork: tells the node which module it begins to import, so that the node knows which one
    /// has ended the process, or never ends.
    pub fn preloading(&self, module: &str) -> Result<()> {
        self.content.send(Message::Preloading(v1::Preloading { module: module.to_owned() }))
    }

    /// Template: all modules are imported. `names`: the top-level names that it has loaded, or has looked for in vain.
    pub fn preloaded(&self, names: Vec<String>) -> Result<()> {
        self.content.send(Message::Preloaded(v1::Preloaded { names, problem: String::new() }))
    }

    /// Template: the module that it has begun with cannot be preloaded. The process must exit.
    pub fn cannot_preload(&self, problem: &str) -> Result<()> {
        self.content.send(Message::Preloaded(v1::Preloaded { names: Vec::new(), problem: problem.to_owned() }))
    }

    /// Tells the node that the fork could not be made.
    pub fn failed(&mut self, fork_id: u64, problem: &str) -> Result<()> {
        let problem = problem.to_owned();
        self.content.send(Message::ForkReport(v1::ForkReport { fork_id, problem, ..v1::ForkReport::default() }))
    }
}

impl Drop for Zygote {
    fn drop(&mut self) {
        if self.owner == std::process::id() {
            // SAFETY: dropped here and nowhere else.
            unsafe { ManuallyDrop::drop(&mut self.content) };
        }
    }
}

impl Content {
    fn send(&self, message: Message) -> Result<()> {
        let message = v1::WorkerMessage { request_id: 0, message: Some(message) };
        let bytes =
            frame::encoded(&message).map_err(|error| Error::internal("write to the node", error.to_string()))?;
        socket::write_all(&self.control, &bytes).map_err(|errno| node_gone("write to the node", errno))
    }

    /// The next request among what was read.
    fn request(&mut self) -> Result<Option<ForkRequest>> {
        let broken = |error: frame::FrameError| Error::internal("read from the node", error.to_string());
        while let Some(bytes) = frame::take(&mut self.buffer).map_err(broken)? {
            match frame::decode::<v1::WorkerCommand>(bytes).map_err(broken)?.message {
                Some(Command::Fork(fork)) => return self.fork_request(fork).map(Some),
                Some(Command::Ping(_)) => self.send(Message::Pong(v1::Pong {}))?,
                // Meant for workers.
                _ => {}
            }
        }
        Ok(None)
    }

    fn fork_request(&mut self, fork: v1::Fork) -> Result<ForkRequest> {
        let mut next = || {
            self.descriptors
                .pop_front()
                .ok_or_else(|| Error::internal("fork", "a request came without its descriptors"))
        };
        let control = next()?;
        let link = fork.template.is_none().then(&mut next).transpose()?;
        let waiting = fork.template.is_none().then(&mut next).transpose()?;
        let output = next()?;
        let foreign = self.children.iter().map(|child| child.exit.as_raw_fd());
        Ok(ForkRequest {
            fork_id: fork.fork_id,
            temp_dir: fork.temp_dir.into(),
            directory: (!fork.directory.is_empty()).then(|| fork.directory.into()),
            template: fork.template,
            control,
            link,
            waiting,
            output,
            foreign: foreign
                .chain([self.control.as_raw_fd()])
                .chain(self.descriptors.iter().map(AsRawFd::as_raw_fd))
                .collect(),
            confinement: self.confinement.clone(),
            zygote: std::process::id(),
        })
    }

    /// Waits until the node has written or a child has ended, and takes notice of it.
    fn wait(&mut self) -> Result<Read> {
        let mut ready: Vec<_> = self.children.iter().map(|child| PollFd::new(&child.exit, PollFlags::IN)).collect();
        ready.push(PollFd::new(&self.control, PollFlags::IN));
        retry_on_intr(|| poll(&mut ready, None)).map_err(|errno| node_gone("wait for the node", errno))?;
        let mut states = ready.iter().map(|ready| !ready.revents().is_empty()).collect::<Vec<_>>();
        drop(ready);
        let readable = states.pop().unwrap_or_default();
        for number in (0..states.len()).rev().filter(|number| states[*number]) {
            let child = self.children.swap_remove(number);
            self.report_exit(child)?;
        }
        if !readable {
            return Ok(Read::Nothing);
        }
        socket::read_with_descriptors(&self.control, &mut self.buffer, &mut self.descriptors)
            .map_err(|errno| node_gone("read from the node", errno))
    }

    fn report_exit(&self, child: Child) -> Result<()> {
        // What the child started goes with it, before its number can be another process's. The group may be gone.
        let _ = kill_process_group(child.pid, Signal::KILL);
        let status = retry_on_intr(|| waitid(WaitId::PidFd(child.exit.as_fd()), WaitIdOptions::EXITED)).ok().flatten();
        self.send(Message::ForkReport(v1::ForkReport {
            fork_id: child.fork_id,
            process_id: child.pid.as_raw_nonzero().get() as u32,
            exited: true,
            exit_code: status.as_ref().and_then(|status| status.exit_status()).unwrap_or_default(),
            signal: status.as_ref().and_then(|status| status.terminating_signal()).unwrap_or_default(),
            problem: String::new(),
        }))
    }
}

/// A request to fork a slot process, or a template.
pub struct ForkRequest {
    fork_id: u64,
    temp_dir: PathBuf,
    directory: Option<PathBuf>,
    /// The process is to be a template.
    template: Option<v1::Template>,
    control: OwnedFd,
    /// `None`: a template has none.
    link: Option<OwnedFd>,
    /// Where clients in the process say whether its task may wait for tasks of its own; as `link`.
    waiting: Option<OwnedFd>,
    output: OwnedFd,
    /// Descriptors of the zygote that a child must not keep open.
    foreign: Vec<RawFd>,
    confinement: Option<Confinement>,
    zygote: u32,
}

impl ForkRequest {
    /// Which request this is: for [`Zygote::forked`].
    pub fn fork_id(&self) -> u64 {
        self.fork_id
    }

    /// The modules that the child is to import, if it is to be a template.
    pub fn modules(&self) -> Option<&[String]> {
        self.template.as_ref().map(|template| template.modules.as_slice())
    }

    /// In a child that is to be a template, before anything else: as [`ForkRequest::enter_child`]. Returns its end of its
    /// own control link, and its temporary directory, which its children may write to as well: libraries remember where
    /// they were when they were loaded.
    ///
    /// # Errors
    /// As [`ForkRequest::enter_child`].
    pub fn enter_template(self) -> Result<(Zygote, PathBuf)> {
        self.detach().map_err(entering)?;
        let writable = self.template.into_iter().flat_map(|template| template.writable).map(PathBuf::from);
        let inherited = self.confinement.map(|confinement| {
            let inherited = confinement.with_writable([self.temp_dir.clone()]);
            inherited.clone().with_writable(writable).apply();
            inherited
        });
        let content = Content {
            control: self.control,
            buffer: BytesMut::new(),
            descriptors: VecDeque::new(),
            children: Vec::new(),
            confinement: inherited,
        };
        Ok((Zygote { content: ManuallyDrop::new(content), owner: std::process::id() }, self.temp_dir))
    }

    /// In the child, before anything else: takes the output over, closes what is the zygote's, dies with the zygote,
    /// enters the temporary directory and confines itself. Starts no thread.
    ///
    /// # Errors
    /// When the system refuses one of these steps, or the zygote has died meanwhile: the child must exit.
    pub fn enter_child(self) -> Result<ChildLinks> {
        self.detach().map_err(entering)?;
        let link = self.link.ok_or_else(|| Error::internal("enter a forked worker", "it has no link"))?;
        if let Some(waiting) = self.waiting {
            tell_clients(waiting).map_err(entering)?;
        }
        if let Some(confinement) = &self.confinement {
            let bytecode =
                self.directory.as_ref().and_then(|directory| Some(directory.parent()?.join(BYTECODE_FOLDER)));
            let writable = self.directory.iter().chain([&self.temp_dir]).cloned().chain(bytecode);
            confinement.clone().with_writable(writable).apply();
        }
        Ok(ChildLinks {
            control_fd: self.control.into_raw_fd(),
            link_fd: link.into_raw_fd(),
            temp_dir: self.temp_dir,
            directory: self.directory,
        })
    }

    fn detach(&self) -> std::io::Result<()> {
        replace(libc::STDOUT_FILENO, &self.output, 0)?;
        replace(libc::STDERR_FILENO, &self.output, 0)?;
        let nothing = std::fs::File::open("/dev/null")?;
        for descriptor in &self.foreign {
            // The number stays taken, so that a copy of the zygote's value can close nothing of this process.
            replace(*descriptor, &nothing, libc::O_CLOEXEC)?;
        }
        setpgid(None, None)?;
        set_parent_process_death_signal(Some(Signal::KILL))?;
        if getppid().is_none_or(|parent| parent.as_raw_nonzero().get() as u32 != self.zygote) {
            return Err(std::io::Error::other("the zygote has died"));
        }
        std::env::set_current_dir(&self.temp_dir)
    }
}

/// Clients that this process will have find the pipe by its variable.
fn tell_clients(waiting: OwnedFd) -> std::io::Result<()> {
    let inode = rustix::fs::fstat(&waiting)?.st_ino;
    let name = WaitingPipe { descriptor: waiting.into_raw_fd(), inode };
    // SAFETY: in a process that has just been forked, on its only thread.
    unsafe { env::set_var(WAITING_VARIABLE, name.to_string()) };
    Ok(())
}

fn entering(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Internal, "enter a forked worker", error.to_string()).with_source(error)
}

/// Makes `descriptor` another name of what `by` is.
fn replace(descriptor: RawFd, by: &impl AsRawFd, flags: libc::c_int) -> std::io::Result<()> {
    // SAFETY: in a process that has just been forked, on its only thread: no other code uses the old descriptor.
    match unsafe { libc::dup3(by.as_raw_fd(), descriptor, flags) } {
        -1 => Err(std::io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// What a forked slot process has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildLinks {
    /// For [`WorkerProcess::connect`](crate::WorkerProcess::connect).
    pub control_fd: RawFd,
    /// For [`WorkerProcess::serve_slot`](crate::WorkerProcess::serve_slot), slot 0.
    pub link_fd: RawFd,
    /// The working directory now; the caller sets `TMPDIR` and `HOME` in its interpreter.
    pub temp_dir: PathBuf,
    /// The directory that the class path is filled into.
    pub directory: Option<PathBuf>,
}
