//! The CUDA driver, opened when it is needed: the few calls that a load takes, each with the types of cuda.h
//! and each error with the driver's own name for it. Knows no policy.
#![allow(
    unsafe_code,
    reason = "the CUDA driver is a C library; every call is wrapped here and nowhere else"
)]

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::ptr;

use libloading::{Library, Symbol};

use crate::gpu::Fault;

/// `CUresult`; 0 is success.
type Status = c_int;
/// `CUdevice`: an ordinal.
type Device = c_int;
/// `CUdeviceptr`.
type Address = u64;

const LIBRARY: &str = "libcuda.so.1";
const SUCCESS: Status = 0;
/// `CUDA_ERROR_OUT_OF_MEMORY`.
const OUT_OF_MEMORY: Status = 2;
/// `CUDA_ERROR_NO_DEVICE`.
const NO_DEVICE: Status = 100;
/// `CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT`.
const MULTIPROCESSORS: c_int = 16;
/// `CU_JIT_ERROR_LOG_BUFFER` and `CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES`.
const JIT_LOG: [c_int; 2] = [5, 6];
/// Threads of a block of [`Driver::launch`].
pub const THREADS: u32 = 256;

/// A function of a module in the current context (`CUfunction`): an opaque pointer of the driver.
#[derive(Debug, Clone, Copy)]
pub struct Kernel {
    function: *mut c_void,
}

macro_rules! driver {
    ($($field:ident: $symbol:literal, ($($argument:ty),*);)*) => {
        /// The opened driver. Not `Send`: a context is current in one thread.
        pub struct Driver {
            $($field: unsafe extern "C" fn($($argument),*) -> Status,)*
            _library: Library,
            _one_thread: std::marker::PhantomData<*const ()>,
        }

        impl Driver {
            fn resolve(library: Library) -> Result<Self, Fault> {
                $(
                    // SAFETY: the type is that of cuda.h for this symbol; the pointer is kept beside its library.
                    let found: Result<Symbol<'_, unsafe extern "C" fn($($argument),*) -> Status>, _> =
                        unsafe { library.get(concat!($symbol, "\0").as_bytes()) };
                    let $field = *found.map_err(|error| {
                        Fault::new("no_driver", format!("{LIBRARY} has no {}: {error}", $symbol))
                    })?;
                )*
                Ok(Self { $($field,)* _library: library, _one_thread: std::marker::PhantomData })
            }
        }
    };
}

driver! {
    init: "cuInit", (c_uint);
    error_name: "cuGetErrorName", (Status, *mut *const c_char);
    device_count: "cuDeviceGetCount", (*mut c_int);
    device_get: "cuDeviceGet", (*mut Device, c_int);
    device_uuid: "cuDeviceGetUuid_v2", (*mut [u8; 16], Device);
    device_attribute: "cuDeviceGetAttribute", (*mut c_int, c_int, Device);
    primary_retain: "cuDevicePrimaryCtxRetain", (*mut *mut c_void, Device);
    primary_release: "cuDevicePrimaryCtxRelease_v2", (Device);
    set_current: "cuCtxSetCurrent", (*mut c_void);
    synchronize: "cuCtxSynchronize", ();
    module_load: "cuModuleLoadDataEx", (*mut *mut c_void, *const c_void, c_uint, *mut c_int, *mut *mut c_void);
    module_function: "cuModuleGetFunction", (*mut *mut c_void, *mut c_void, *const c_char);
    occupancy: "cuOccupancyMaxActiveBlocksPerMultiprocessor", (*mut c_int, *mut c_void, c_int, usize);
    launch_kernel: "cuLaunchKernel", (*mut c_void, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, *mut c_void, *mut *mut c_void, *mut *mut c_void);
    mem_alloc: "cuMemAlloc_v2", (*mut Address, usize);
    mem_free: "cuMemFree_v2", (Address);
    mem_set: "cuMemsetD8_v2", (Address, u8, usize);
}

impl Driver {
    /// Opens and initialises the driver.
    pub fn open() -> Result<Self, Fault> {
        // SAFETY: loading a library runs its initialisers; the NVIDIA driver's are meant for this.
        let library = unsafe { Library::new(LIBRARY) }
            .map_err(|error| Fault::new("no_driver", format!("no CUDA driver: {error}")))?;
        let driver = Self::resolve(library)?;
        // SAFETY: flags must be 0.
        driver.check("cuInit", unsafe { (driver.init)(0) })?;
        Ok(driver)
    }

    /// How many GPUs the driver shows.
    pub fn devices(&self) -> Result<Device, Fault> {
        let mut count = 0;
        // SAFETY: writes one int.
        self.check("cuDeviceGetCount", unsafe {
            (self.device_count)(&mut count)
        })?;
        Ok(count)
    }

    /// The device with that ordinal.
    pub fn device(&self, ordinal: Device) -> Result<Device, Fault> {
        let mut device = 0;
        // SAFETY: writes one int.
        self.check("cuDeviceGet", unsafe {
            (self.device_get)(&mut device, ordinal)
        })?;
        Ok(device)
    }

    /// The 16 bytes of its UUID; those of the instance for a MIG instance.
    pub fn uuid(&self, device: Device) -> Result<[u8; 16], Fault> {
        let mut uuid = [0; 16];
        // SAFETY: `CUuuid` is 16 bytes.
        self.check("cuDeviceGetUuid_v2", unsafe {
            (self.device_uuid)(&mut uuid, device)
        })?;
        Ok(uuid)
    }

    /// Makes the primary context of `device` and makes it current in this thread.
    pub fn enter(&self, device: Device) -> Result<(), Fault> {
        let mut context = ptr::null_mut();
        // SAFETY: writes one pointer; released by `leave`.
        self.check("cuDevicePrimaryCtxRetain", unsafe {
            (self.primary_retain)(&mut context, device)
        })?;
        // SAFETY: the context was just retained.
        self.check("cuCtxSetCurrent", unsafe { (self.set_current)(context) })
    }

    /// Gives up the primary context of `device`; its memory and modules go with it.
    pub fn leave(&self, device: Device) -> Result<(), Fault> {
        // SAFETY: null makes none current.
        self.check("cuCtxSetCurrent", unsafe {
            (self.set_current)(ptr::null_mut())
        })?;
        // SAFETY: retained once by `enter`.
        self.check("cuDevicePrimaryCtxRelease", unsafe {
            (self.primary_release)(device)
        })
    }

    /// Compiles PTX (which ends with a NUL) for the current context and finds `name` in it.
    pub fn kernel(&self, ptx: &CStr, name: &CStr) -> Result<Kernel, Fault> {
        let mut module = ptr::null_mut();
        let mut log = vec![0u8; 4096];
        let mut options = JIT_LOG;
        let mut values = [log.as_mut_ptr().cast::<c_void>(), log.len() as *mut c_void];
        // SAFETY: `ptx` ends with NUL; two options with two values, the size passed as the pointer's value as
        // cuda.h asks; the log outlives the call.
        let status = unsafe {
            (self.module_load)(
                &mut module,
                ptx.as_ptr().cast(),
                2,
                options.as_mut_ptr(),
                values.as_mut_ptr(),
            )
        };
        self.check("cuModuleLoadDataEx", status)
            .map_err(|mut fault| {
                let said = log.split(|byte| *byte == 0).next().unwrap_or_default();
                let said = String::from_utf8_lossy(said);
                if !said.trim().is_empty() {
                    fault.message = format!("{}: {}", fault.message, said.trim());
                }
                fault
            })?;
        let mut function = ptr::null_mut();
        // SAFETY: the module was just loaded, `name` ends with NUL.
        self.check("cuModuleGetFunction", unsafe {
            (self.module_function)(&mut function, module, name.as_ptr())
        })?;
        Ok(Kernel { function })
    }

    /// Blocks of [`THREADS`] threads that fill `device` with `kernel` once.
    pub fn blocks(&self, device: Device, kernel: Kernel) -> Result<u32, Fault> {
        let (mut multiprocessors, mut each) = (0, 0);
        // SAFETY: writes one int.
        self.check("cuDeviceGetAttribute", unsafe {
            (self.device_attribute)(&mut multiprocessors, MULTIPROCESSORS, device)
        })?;
        // SAFETY: writes one int; the function is of the current context.
        self.check("cuOccupancyMaxActiveBlocksPerMultiprocessor", unsafe {
            (self.occupancy)(&mut each, kernel.function, THREADS as c_int, 0)
        })?;
        Ok(u32::try_from(multiprocessors.saturating_mul(each))
            .unwrap_or(1)
            .max(1))
    }

    /// Launches `kernel(never, rounds)` in the default stream.
    pub fn launch(
        &self,
        kernel: Kernel,
        blocks: u32,
        mut never: Address,
        mut rounds: u64,
    ) -> Result<(), Fault> {
        let mut parameters = [
            ptr::from_mut(&mut never).cast::<c_void>(),
            ptr::from_mut(&mut rounds).cast::<c_void>(),
        ];
        // SAFETY: one pointer to each of the two u64 parameters of `lem_spin`, which the driver copies before it
        // returns; no shared memory, the null stream, no extra options.
        self.check("cuLaunchKernel", unsafe {
            (self.launch_kernel)(
                kernel.function,
                blocks,
                1,
                1,
                THREADS,
                1,
                1,
                0,
                ptr::null_mut(),
                parameters.as_mut_ptr(),
                ptr::null_mut(),
            )
        })
    }

    /// Waits until the current context has nothing left to do.
    pub fn synchronize(&self) -> Result<(), Fault> {
        // SAFETY: no arguments.
        self.check("cuCtxSynchronize", unsafe { (self.synchronize)() })
    }

    /// Takes memory and writes all of it, so that it is truly resident.
    pub fn take(&self, bytes: usize) -> Result<Address, Fault> {
        let mut address = 0;
        // SAFETY: writes one address.
        self.check("cuMemAlloc", unsafe {
            (self.mem_alloc)(&mut address, bytes)
        })?;
        // SAFETY: exactly the memory that was just given.
        self.check("cuMemsetD8", unsafe {
            (self.mem_set)(address, 0xa5, bytes)
        })?;
        Ok(address)
    }

    /// Gives memory back that [`Driver::take`] took.
    pub fn free(&self, address: Address) -> Result<(), Fault> {
        // SAFETY: comes from `take`, and its owner forgets it.
        self.check("cuMemFree", unsafe { (self.mem_free)(address) })
    }

    fn check(&self, call: &str, status: Status) -> Result<(), Fault> {
        if status == SUCCESS {
            return Ok(());
        }
        let mut name = ptr::null();
        // SAFETY: writes a pointer to a static string, or null.
        let known = unsafe { (self.error_name)(status, &mut name) };
        let name = if known == SUCCESS && !name.is_null() {
            // SAFETY: a NUL-terminated string that lives as long as the library.
            unsafe { CStr::from_ptr(name) }
                .to_string_lossy()
                .into_owned()
        } else {
            "an unknown error".to_owned()
        };
        let code = match status {
            OUT_OF_MEMORY => "out_of_memory",
            NO_DEVICE => "no_such_gpu",
            _ => "cuda",
        };
        Err(Fault::new(code, format!("{call} said {name} ({status})")))
    }
}
