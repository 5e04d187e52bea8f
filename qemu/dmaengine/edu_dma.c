// SPDX-License-Identifier: GPL-2.0
/*
 * QEMU's PCI device "edu" as a DMA engine that copies memory, for tests: through the device's own buffer, step by step.
 */
#include <linux/dmaengine.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#define EDU_ID			0x00
#define EDU_INTERRUPTS		0x24
#define EDU_ACKNOWLEDGE		0x64
#define EDU_SOURCE		0x80
#define EDU_TARGET		0x88
#define EDU_COUNT		0x90
#define EDU_COMMAND		0x98
#define EDU_START		0x01
#define EDU_TO_MEMORY		0x02
#define EDU_INTERRUPT		0x04
/* Where its buffer is, for its own DMA. Some versions refuse a transfer that ends with it. */
#define EDU_BUFFER		0x40000
#define EDU_STEP		2048u

struct transfer {
	struct dma_async_tx_descriptor tx;
	struct list_head entry;
	dma_addr_t to;
	dma_addr_t from;
	size_t left;
	bool in_device;
};

struct edu {
	struct dma_device device;
	struct dma_chan channel;
	void __iomem *registers;
	/* The registers have the byte order of the machine that QEMU plays. */
	bool big_endian;
	/* Protects the lists and what runs. */
	spinlock_t lock;
	struct list_head submitted;
	struct list_head issued;
	struct transfer *running;
};

static u32 edu_read(struct edu *edu, unsigned int place)
{
	void __iomem *at = edu->registers + place;

	return edu->big_endian ? ioread32be(at) : ioread32(at);
}

static void edu_write(struct edu *edu, unsigned int place, u32 value)
{
	void __iomem *at = edu->registers + place;

	if (edu->big_endian)
		iowrite32be(value, at);
	else
		iowrite32(value, at);
}

static size_t step_of(const struct transfer *transfer)
{
	return min_t(size_t, transfer->left, EDU_STEP);
}

/* Half a step: into the device's buffer, or out of it. */
static void edu_step(struct edu *edu)
{
	struct transfer *transfer = edu->running;
	bool out = transfer->in_device;

	edu_write(edu, EDU_SOURCE, out ? EDU_BUFFER : lower_32_bits(transfer->from));
	edu_write(edu, EDU_TARGET, out ? lower_32_bits(transfer->to) : EDU_BUFFER);
	edu_write(edu, EDU_COUNT, step_of(transfer));
	edu_write(edu, EDU_COMMAND, EDU_START | EDU_INTERRUPT | (out ? EDU_TO_MEMORY : 0));
}

static void edu_next(struct edu *edu)
{
	if (edu->running || list_empty(&edu->issued))
		return;
	edu->running = list_first_entry(&edu->issued, struct transfer, entry);
	list_del(&edu->running->entry);
	edu_step(edu);
}

static irqreturn_t edu_interrupt(int irq, void *data)
{
	struct edu *edu = data;
	u32 which = edu_read(edu, EDU_INTERRUPTS);

	if (!which)
		return IRQ_NONE;
	edu_write(edu, EDU_ACKNOWLEDGE, which);
	return IRQ_WAKE_THREAD;
}

static irqreturn_t edu_thread(int irq, void *data)
{
	struct transfer *transfer, *done = NULL;
	struct edu *edu = data;

	spin_lock_irq(&edu->lock);
	transfer = edu->running;
	if (transfer) {
		if (transfer->in_device) {
			size_t step = step_of(transfer);

			transfer->to += step;
			transfer->from += step;
			transfer->left -= step;
		}
		transfer->in_device = !transfer->in_device;
		if (transfer->left) {
			edu_step(edu);
		} else {
			edu->channel.completed_cookie = transfer->tx.cookie;
			edu->running = NULL;
			done = transfer;
			edu_next(edu);
		}
	}
	spin_unlock_irq(&edu->lock);
	if (done) {
		if (done->tx.callback)
			done->tx.callback(done->tx.callback_param);
		kfree(done);
	}
	return IRQ_HANDLED;
}

static dma_cookie_t edu_submit(struct dma_async_tx_descriptor *tx)
{
	struct edu *edu = container_of(tx->chan, struct edu, channel);
	struct transfer *transfer = container_of(tx, struct transfer, tx);
	unsigned long flags;
	dma_cookie_t cookie;

	spin_lock_irqsave(&edu->lock, flags);
	cookie = tx->chan->cookie + 1;
	if (cookie < DMA_MIN_COOKIE)
		cookie = DMA_MIN_COOKIE;
	tx->cookie = cookie;
	tx->chan->cookie = cookie;
	list_add_tail(&transfer->entry, &edu->submitted);
	spin_unlock_irqrestore(&edu->lock, flags);
	return cookie;
}

static struct dma_async_tx_descriptor *edu_prepare(struct dma_chan *channel, dma_addr_t to, dma_addr_t from,
						   size_t length, unsigned long flags)
{
	struct transfer *transfer = kzalloc(sizeof(*transfer), GFP_NOWAIT);

	if (!transfer)
		return NULL;
	dma_async_tx_descriptor_init(&transfer->tx, channel);
	transfer->tx.tx_submit = edu_submit;
	transfer->tx.flags = flags;
	transfer->to = to;
	transfer->from = from;
	transfer->left = length;
	return &transfer->tx;
}

static void edu_issue(struct dma_chan *channel)
{
	struct edu *edu = container_of(channel, struct edu, channel);
	unsigned long flags;

	spin_lock_irqsave(&edu->lock, flags);
	list_splice_tail_init(&edu->submitted, &edu->issued);
	edu_next(edu);
	spin_unlock_irqrestore(&edu->lock, flags);
}

static enum dma_status edu_status(struct dma_chan *channel, dma_cookie_t cookie, struct dma_tx_state *state)
{
	dma_cookie_t last = READ_ONCE(channel->cookie), done = READ_ONCE(channel->completed_cookie);

	dma_set_tx_state(state, done, last, 0);
	return dma_async_is_complete(cookie, done, last);
}

static int edu_probe(struct pci_dev *pci, const struct pci_device_id *id)
{
	struct edu *edu = devm_kzalloc(&pci->dev, sizeof(*edu), GFP_KERNEL);
	int ret;

	if (!edu)
		return -ENOMEM;
	ret = pcim_enable_device(pci);
	if (ret)
		return ret;
	edu->registers = pcim_iomap(pci, 0, 0);
	if (!edu->registers)
		return -ENOMEM;
	edu->big_endian = (ioread32be(edu->registers + EDU_ID) & 0xffff) == 0xed;
	ret = dma_set_mask_and_coherent(&pci->dev, DMA_BIT_MASK(32));
	if (ret)
		return ret;
	pci_set_master(pci);
	spin_lock_init(&edu->lock);
	INIT_LIST_HEAD(&edu->submitted);
	INIT_LIST_HEAD(&edu->issued);
	ret = request_threaded_irq(pci->irq, edu_interrupt, edu_thread, IRQF_SHARED, "edu_dma", edu);
	if (ret)
		return ret;

	edu->channel.device = &edu->device;
	edu->channel.cookie = DMA_MIN_COOKIE;
	edu->channel.completed_cookie = DMA_MIN_COOKIE;
	INIT_LIST_HEAD(&edu->device.channels);
	list_add_tail(&edu->channel.device_node, &edu->device.channels);
	dma_cap_set(DMA_MEMCPY, edu->device.cap_mask);
	edu->device.dev = &pci->dev;
	edu->device.device_prep_dma_memcpy = edu_prepare;
	edu->device.device_issue_pending = edu_issue;
	edu->device.device_tx_status = edu_status;
	ret = dma_async_device_register(&edu->device);
	if (ret) {
		free_irq(pci->irq, edu);
		return ret;
	}
	pci_set_drvdata(pci, edu);
	return 0;
}

static void edu_remove(struct pci_dev *pci)
{
	struct edu *edu = pci_get_drvdata(pci);

	dma_async_device_unregister(&edu->device);
	free_irq(pci->irq, edu);
}

static const struct pci_device_id edu_ids[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) },
	{ }
};
MODULE_DEVICE_TABLE(pci, edu_ids);

static struct pci_driver edu_driver = {
	.name = "edu_dma",
	.id_table = edu_ids,
	.probe = edu_probe,
	.remove = edu_remove,
};
module_pci_driver(edu_driver);
MODULE_AUTHOR("The resdump authors");
MODULE_DESCRIPTION("QEMU's edu as a DMA engine, for tests");
MODULE_LICENSE("GPL");
