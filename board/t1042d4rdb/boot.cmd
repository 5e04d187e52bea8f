# U-Boot commands that start the system, from partition 1 of an SD card (or of the disk
# ${devtype} ${devnum}). The regions are in board.dtb.
test -n "${devtype}" || setenv devtype mmc
test -n "${devnum}" || setenv devnum 0
setenv bootargs console=@CONSOLE@ root=PARTUUID=52450001-02 ro rootwait @CMDLINE@ ${extra}
ext2load ${devtype} ${devnum}:1 2000000 @KERNEL@
ext2load ${devtype} ${devnum}:1 1f00000 board.dtb
bootm 2000000 - 1f00000
