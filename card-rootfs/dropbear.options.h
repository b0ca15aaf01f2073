/* SPDX-License-Identifier: BSD-3-Clause */
/* What differs from dropbear's default_options.h. */
#define DROPBEAR_SVR_AGENTFWD 0
#define DROPBEAR_SK_KEYS      0
#define DROPBEAR_SFTPSERVER   0
/* The card's processor is slow: no key exchange that takes it seconds. */
#define DROPBEAR_DH_GROUP14_SHA1   0
#define DROPBEAR_DH_GROUP14_SHA256 0
/* Fewer round trips for bulk data. */
#define DEFAULT_RECV_WINDOW 131072
