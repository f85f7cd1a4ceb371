//! The link between a node and real worker processes.
//!
//! This binary plays every part: `exec-worker` makes it the launcher, `-cp` the JVM, `-I` the interpreter, `node` a node
//! that is going to die; otherwise it runs the cases whose names contain one of its arguments. No test harness is
//! around, because a launcher and a zygote must have one thread.

#![allow(unreachable_pub, reason = "nothing uses a test from outside")]

mod cases;
mod fixture;
mod log;
mod worker;

use std::{env, pin::Pin, process::ExitCode, time::Duration};

/// A case that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// A name, and what is to be run.
type Case = (&'static str, Pin<Box<dyn Future<Output = ()> + Send>>);

macro_rules! cases {
    ($($module:ident :: $name:ident),* $(,)?) => {
        vec![$((stringify!($module::$name), Box::pin(cases::$module::$name()))),*]
    };
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("exec-worker") => haulier_worker::launcher::exec_worker(env::args_os().skip(2)),
        Some("-cp") => worker::java(),
        Some("-I") => worker::zygote(),
        Some("node") => cases::death::node(),
        _ => run(&arguments),
    }
}

fn cases() -> Vec<Case> {
    cases![
        start::says_hello,
        start::a_foreign_build_is_refused,
        start::a_worker_that_cannot_work_says_why,
        start::an_early_end_is_reported,
        start::a_silent_worker_is_given_up,
        start::nonsense_is_refused,
        tasks::echo,
        tasks::many_tasks_in_order,
        tasks::large_payloads_travel_in_files,
        tasks::a_panic_fails_one_task,
        tasks::finished_results_do_not_wait_for_a_long_task,
        tasks::slots_run_side_by_side,
        queue::what_has_not_begun_is_taken_back,
        queue::a_full_socket_is_taken_back_too,
        queue::a_waiting_task_is_removed,
        queue::a_running_task_is_interrupted,
        queue::cancelling_beside_an_idle_slot_loses_nothing,
        queue::a_stopped_worker_answers_nothing_in_time,
        death::exit_status_and_last_words,
        death::a_signal_is_named,
        death::results_come_before_the_loss,
        death::kill_takes_the_whole_group,
        death::stop_lets_tasks_end,
        death::stop_kills_after_the_grace,
        death::dropping_a_worker_kills_it,
        death::a_closed_link_ends_the_worker,
        death::workers_die_with_their_node,
        code::class_paths_are_fetched_once,
        code::late_entries_are_fetched,
        code::failures_are_not_remembered,
        code::python_directories_are_filled,
        zygote::workers_are_forked,
        zygote::a_dead_zygote_is_replaced,
        zygote::a_stopped_zygote_is_replaced,
        zygote::a_zygote_without_children_ends,
        zygote::children_are_confined_each_to_its_own,
        zygote::zygotes_are_bounded,
        template::later_workers_have_what_earlier_ones_imported,
        template::trust_groups_share_none,
        template::a_class_path_with_a_name_of_it_does_without,
        template::modules_that_cannot_be_imported_are_left_out,
        template::more_modules_make_another_one,
        template::it_dies_and_is_replaced,
        template::it_goes_when_it_is_idle_or_its_program_has_gone,
        template::they_are_bounded,
        template::it_may_write_where_its_group_may,
        template::what_it_says_is_not_believed,
        template::workers_start_without_it_if_they_must,
        confinement::only_what_is_listed,
        confinement::nothing_leaks_in,
    ]
}

fn run(arguments: &[String]) -> ExitCode {
    log::keep();
    let wanted: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let mut failed = Vec::new();
    for (name, case) in cases() {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| name.contains(wanted.as_str())) {
            continue;
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let ended = runtime.block_on(async { tokio::time::timeout(LIMIT, tokio::spawn(case)).await });
        runtime.shutdown_timeout(Duration::from_secs(1));
        let good = matches!(ended, Ok(Ok(())));
        println!("test {name} ... {}", if good { "ok" } else { "FAILED" });
        if !good {
            failed.push(name);
        }
    }
    println!("{} failed {failed:?}", failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
