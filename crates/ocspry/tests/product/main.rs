//! The product as its users meet it: the real binary, real files, real clients.
//!
//! One binary for all of it.  `site` makes the files of one CA and starts the responder on them; every other module
//! is about one thing a user does.

#![expect(clippy::unwrap_used, reason = "what a test cannot do without stops it")]

mod admin;
mod answers;
mod audit;
mod audit_chain;
mod browser;
mod ca_guides;
mod ca_tick;
mod clients;
mod clocks;
mod configuration;
mod configuration_keys;
mod control;
mod crl_command;
mod crl_file;
mod dashboard;
mod demo;
mod descriptors;
mod django_ca;
mod documented_lines;
mod faults;
mod healthcheck;
mod issuers;
mod keys;
mod kills;
mod ledger;
mod ledger_command;
mod ledger_site;
mod life;
mod list_server;
mod load;
mod log_lines;
mod managed_responder;
mod monitoring;
mod old_lines;
mod openssl_ca;
mod openssl_ocsp;
mod policies;
mod proxies;
mod proxy;
mod published_lists;
mod reloads;
mod requests;
mod resets;
mod rules_http;
mod rules_ledger;
mod rules_requests;
mod shown_state;
mod site;
mod small_ca;
mod small_ca_compromise;
mod small_ca_office;
mod small_ca_revocation;
mod sources;
mod terminal;
mod two_cas;
mod upgrade;
