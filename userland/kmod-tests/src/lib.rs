// SPDX-License-Identifier: MIT

//! Nothing but tests.
