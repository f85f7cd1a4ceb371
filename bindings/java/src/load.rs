//! What happens when the JVM loads the library.

use std::ffi::c_void;

use jni::sys::{JNI_VERSION_1_8, JavaVM, jint};

/// Called by the JVM. Keeps the library in memory for good: threads of the runtime run its code, and the JVM would
/// unload it with the class loader that loaded it.
#[unsafe(no_mangle)]
extern "system" fn JNI_OnLoad(_vm: *mut JavaVM, _reserved: *mut c_void) -> jint {
    pin();
    JNI_VERSION_1_8
}

fn pin() {
    let mut info = libc::Dl_info {
        dli_fname: std::ptr::null(),
        dli_fbase: std::ptr::null_mut(),
        dli_sname: std::ptr::null(),
        dli_saddr: std::ptr::null_mut(),
    };
    // SAFETY: the address is that of a function of this library, and `info` is valid for writing.
    let found = unsafe { libc::dladdr(JNI_OnLoad as *const c_void, &raw mut info) };
    if found != 0 && !info.dli_fname.is_null() {
        // SAFETY: the name is that under which the loader knows this library. It is loaded already: with RTLD_NOLOAD
        // nothing is read and no code runs, the library is only marked as never to be unloaded.
        unsafe { libc::dlopen(info.dli_fname, libc::RTLD_NOW | libc::RTLD_NODELETE | libc::RTLD_NOLOAD) };
    }
}
