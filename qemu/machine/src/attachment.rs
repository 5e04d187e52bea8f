// SPDX-License-Identifier: MIT
//! What a machine's disks are to its guest.

/// A kind of disk, with the controller that it hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attachment {
    /// A virtio device.
    Virtio,
    /// A SATA disk on an AHCI controller.
    Sata,
    /// An NVMe controller with one namespace.
    Nvme,
    /// An SD card in an SDHCI slot. Its size is a power of two.
    SdCard,
    /// USB mass storage at high speed (EHCI).
    UsbHighSpeed,
    /// USB mass storage at SuperSpeed (xHCI).
    UsbSuperSpeed,
}

impl Attachment {
    /// QEMU's devices for the drive `disk<index>`; `virtio` are more options of a virtio device, each with a leading
    /// comma.
    pub(crate) fn devices(self, index: usize, virtio: &str) -> Vec<String> {
        let drive = format!("drive=disk{index},id=vd{index}");
        let bus = format!("bus{index}");
        match self {
            Self::Virtio => vec![format!("virtio-blk-pci,{drive}{virtio}")],
            Self::Sata => vec![
                format!("ich9-ahci,id={bus}"),
                format!("ide-hd,{drive},bus={bus}.0"),
            ],
            Self::Nvme => vec![format!("nvme,{drive},serial={bus}")],
            Self::SdCard => vec!["sdhci-pci".to_owned(), format!("sd-card,{drive}")],
            Self::UsbHighSpeed => vec![
                format!("usb-ehci,id={bus}"),
                format!("usb-storage,{drive},bus={bus}.0"),
            ],
            Self::UsbSuperSpeed => vec![
                format!("qemu-xhci,id={bus}"),
                format!("usb-storage,{drive},bus={bus}.0"),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_hangs_on_the_controller_before_it() {
        let devices = Attachment::Sata.devices(1, "");
        assert_eq!(
            devices,
            ["ich9-ahci,id=bus1", "ide-hd,drive=disk1,id=vd1,bus=bus1.0"]
        );
        let devices = Attachment::Virtio.devices(0, ",x=y");
        assert_eq!(devices, ["virtio-blk-pci,drive=disk0,id=vd0,x=y"]);
    }
}
