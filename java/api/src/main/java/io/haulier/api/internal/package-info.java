/** What client and worker share with each other, but not with users: it may change in every version. */
package io.haulier.api.internal;
