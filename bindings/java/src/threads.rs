//! Threads of the client's runtime inside the JVM: attached when they start, as daemons, so that the JVM ends without
//! waiting for them; detached when they end, which is when the last connection was closed.

use std::{ffi::c_void, ptr, time::Duration};

use haulier::runtime::{self, ThreadHooks, set_thread_hooks};
use jni::{
    JavaVM,
    sys::{JNI_VERSION_1_8, JavaVMAttachArgs},
};
use parking_lot::Mutex;

/// How long the last `close()` waits for the threads to end.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// Connections that are open or being opened.
static USES: Mutex<usize> = Mutex::new(0);

/// Keeps the runtime running. With the last one its threads end: nothing of the core runs on in an application that
/// has no connection.
pub(crate) struct Use(());

impl Use {
    /// To be called before a connection is opened, on a thread of the JVM.
    pub(crate) fn begin() -> Self {
        set_thread_hooks(ThreadHooks { start: attach, stop: detach });
        *USES.lock() += 1;
        Self(())
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        // The lock is held until the threads have ended, so that a new connection cannot get the old runtime.
        let mut uses = USES.lock();
        *uses -= 1;
        if *uses == 0 {
            runtime::shutdown(END_TIMEOUT);
        }
    }
}

fn attach() {
    // There is one, because the runtime is started by a thread of the JVM.
    let Ok(vm) = JavaVM::singleton() else { return };
    let raw = vm.get_raw();
    let mut env: *mut c_void = ptr::null_mut();
    let mut arguments = JavaVMAttachArgs {
        version: JNI_VERSION_1_8,
        name: c"haulier-client".as_ptr().cast_mut(),
        group: ptr::null_mut(),
    };
    // SAFETY: `raw` is the running JVM; the arguments live during the call; the name is a constant. A thread that
    // could not be attached is attached by its first callback.
    unsafe {
        ((**raw).v1_4.AttachCurrentThreadAsDaemon)(raw, &raw mut env, (&raw mut arguments).cast());
    }
}

fn detach() {
    let Ok(vm) = JavaVM::singleton() else { return };
    let raw = vm.get_raw();
    // SAFETY: the thread ends, so nothing of the JVM is on its stack; on a thread that is not attached it does nothing.
    unsafe { ((**raw).v1_1.DetachCurrentThread)(raw) };
}
