# error: refused all
import ctypes, platform

# mount, umount2, unshare, setns, bpf, perf_event_open, keyctl, userfaultfd, io_uring_setup, open_by_handle_at,
# pidfd_open, init_module, kexec_load, chroot, setuid, personality, swapon, reboot, acct, quotactl
CALLS = {
    "x86_64": [165, 166, 272, 308, 321, 298, 250, 323, 425, 304, 434, 175, 246, 161, 105, 135, 167, 169, 163, 179],
    "aarch64": [40, 39, 97, 268, 280, 241, 219, 282, 425, 265, 434, 105, 104, 51, 146, 92, 224, 142, 89, 60],
}

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    library = ctypes.CDLL(None, use_errno=True)
    made = [call for call in CALLS[platform.machine()] if library.syscall(call, 0, 0, 0, 0, 0, 0) >= 0]
    raise RuntimeError(f"made {made}" if made else "refused all")
