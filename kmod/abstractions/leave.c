// SPDX-License-Identifier: GPL-2.0
/*
 * Callbacks that may be the last of the module to run. As soon as the waiter is awake, or the file is closed,
 * the module can be unloaded, by a processor that is faster than this one, or while this one is preempted: so
 * the last act of each is a jump out of the module, and not even a return is left behind.
 *
 * Kbuild compiles this file so that calls at the end are jumps, and refuses the object if one is not.
 */
#include "helpers.h"

/* ki_complete of a write that was queued. */
void resmem_kiocb_written(struct kiocb *iocb, long ret)
{
	complete(resmem_request_written(iocb, ret));
}

/* ki_complete of a read that was queued. */
void resmem_kiocb_read(struct kiocb *iocb, long ret)
{
	complete(resmem_request_landed(iocb, ret));
}

/* A ring gives a fixed buffer back: the file of the node that it held open. */
void resmem_buffer_released(void *file)
{
	fput(file);
}
