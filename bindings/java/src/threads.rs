//! Threads of the client's runtime inside the JVM: attached when they start, as daemons, so that the JVM ends without
//! waiting for them; detached when they end.

use std::{ffi::c_void, ptr};

use haulier::runtime::{ThreadHooks, set_thread_hooks};
use jni::{
    JavaVM,
    sys::{JNI_VERSION_1_8, JavaVMAttachArgs},
};

/// To be called before the first connection, on a thread of the JVM.
pub(crate) fn prepare() {
    set_thread_hooks(ThreadHooks { start: attach, stop: detach });
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
