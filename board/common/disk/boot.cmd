# U-Boot commands that start the system, from partition 1 of the disk ${devtype} ${devnum}.
# make-disk.sh puts the commands that name the regions in the place that is marked.
test -n "${devtype}" || setenv devtype virtio
test -n "${devnum}" || setenv devnum 0
setenv bootargs console=@CONSOLE@ root=PARTUUID=52450001-02 ro rootwait @CMDLINE@ ${extra}
ext2load ${devtype} ${devnum}:1 ${loadaddr} @KERNEL@
fdt addr ${fdtcontroladdr}
fdt resize 4096
@RESMEM@
bootm ${loadaddr} - ${fdtcontroladdr}
